"""Reading a ledger that somebody serves: every hostile server is refused in time, an honest one is read as its folder is."""

from __future__ import annotations

import importlib.util
import ssl
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from plain_web import web

from countermark.errors import LedgerRefused, Unusable
from countermark.ledger.audit import audit
from countermark.ledger.checkpoint import verify_checkpoint, verify_consistency
from countermark.ledger.note import NoteKey
from countermark.ledger.peer import Peer
from countermark.ledger.reader import LogReader
from countermark.ledger.receipt import verify
from countermark.ledger.stores.web import WebStore

TESSERA = Path(__file__).parents[4] / "shared" / "vectors" / "tessera-log"


def _attack() -> ModuleType:
    path = Path(__file__).parents[3] / "attacks" / "ledger" / "hostile_server.py"
    spec = importlib.util.spec_from_file_location("hostile_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile_server"] = module
    spec.loader.exec_module(module)
    return module


hostile = _attack()


@pytest.mark.parametrize("name", sorted(hostile.SERVERS))
def test_a_hostile_server_is_refused_in_time(name: str) -> None:
    why, took = hostile.attack(hostile.SERVERS[name])
    assert why and "\n" not in why and took < hostile.PATIENCE + 3


def test_without_bounds_a_reader_would_wait_or_swallow_everything() -> None:
    assert hostile.naive(hostile.SERVERS["drips its body"]).startswith("still waiting")
    assert hostile.naive(hostile.SERVERS["floods a body without a length"]) == "took 20000000 bytes"


def test_objects_are_read_and_absent_ones_are_none(tmp_path: Path) -> None:
    (tmp_path / "log" / "tile" / "0").mkdir(parents=True)
    (tmp_path / "log" / "tile" / "0" / "000").write_bytes(bytes(8192))
    with web(tmp_path) as url:
        for prefix in (f"{url}/log", f"{url}/log/"):
            store = WebStore(prefix)
            assert store.read("tile/0/000", 8192) == bytes(8192) and store.read("tile/0/001", 10) is None
            with pytest.raises(OSError, match="limit is 8191"):
                store.read("tile/0/000", 8191)


def test_one_look_asks_for_so_many_objects_and_no_more(tmp_path: Path) -> None:
    with web(tmp_path) as url:
        store = WebStore(url, most=3)
        assert [store.read(str(n), 10) for n in range(3)] == [None] * 3
        with pytest.raises(OSError, match="more objects"):
            store.read("3", 10)


@pytest.mark.parametrize(
    "url",
    ["http://ledger.example/x", "http://10.0.0.1", "http://127.0.0.1.example", "http://[2001:db8::1]/", "ftp://localhost/x",
     "file:///etc", "http://", "https://user@localhost/", "https://user:pw@localhost/", "https://h/?q=1", "https://h/#f",
     "http://localhost:0x50/", "http://localhost:99999/", "http://localhost:0/", "http://[::1/", "http://localhost/a b",
     "http://localhost/\r\nX: 1", "http://ｌocalhost/", "localhost:80", ""],
)  # fmt: skip
def test_addresses_that_are_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(Unusable):
        WebStore(url)


def test_clear_text_leaves_this_machine_only_where_it_is_allowed() -> None:
    for url in ("http://localhost", "http://127.0.0.1:8080/log", "http://[::1]/", "https://ledger.example/log"):
        WebStore(url)
    WebStore("http://ledger.example/log", clear=True)
    with pytest.raises(Unusable, match="without TLS"):
        WebStore("http://ledger.example/log")


def test_a_server_that_does_not_prove_its_name_is_refused(tmp_path: Path) -> None:
    """Encrypted by a certificate that nobody trusts, and by one that never comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(tmp_path))
    with web(tmp_path, context) as url, pytest.raises(OSError, match="certificate"):
        WebStore(url, seconds=5).read("checkpoint", 10)
    with hostile.served(hostile.SERVERS["says nothing"]) as url:
        start = time.monotonic()
        with pytest.raises(OSError, match=r"no whole answer|handshake|timed out"):
            WebStore(url.replace("http:", "https:"), seconds=0.5).read("checkpoint", 10)
        assert time.monotonic() - start < 3


def test_a_handshake_that_drips_is_cut_off() -> None:
    """A socket's timeout begins anew with each byte of a TLS record that never ends."""

    def drip(line) -> None:
        hostile._drip(line, b"\x16\x03\x03\x40\x00", b"\x02")

    with hostile.served(drip) as url:
        start = time.monotonic()
        with pytest.raises(OSError):
            WebStore(url.replace("http:", "https:"), seconds=0.5).read("checkpoint", 10)
        assert time.monotonic() - start < 3


def _certificate(folder: Path) -> Path:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=127.0.0.1")
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    pem = serialization.Encoding.PEM
    data = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(data + made.sign(key, hashes.SHA256()).public_bytes(pem))
    return folder / "server.pem"


def test_a_refused_connection_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"the ledger at 127\.0\.0\.1 does not answer"):
        Peer("http://127.0.0.1:9", "the ledger").get("/checkpoint", 10)


@pytest.mark.skipif(not TESSERA.is_dir(), reason=f"the Tessera log is not at {TESSERA}")
def test_a_log_of_tessera_is_read_over_http_as_from_its_folder() -> None:
    key = NoteKey.from_vkey((TESSERA / "vkey.txt").read_text())
    with web(TESSERA) as url:
        assert audit(WebStore(url), key).checkpoint.size == 15
        reader = LogReader(WebStore(url), key)
        for size in range(1, 16):
            old = verify_checkpoint((TESSERA / f"checkpoint.{size}").read_bytes(), key)
            verify_consistency(old, reader.checkpoint(), reader.consistency(size))
        for index, entry in enumerate(reader.entries(0, 15, size=15)):
            assert verify(entry, reader.receipt(index).to_bytes(), key).index == index
        with pytest.raises(LedgerRefused):
            LogReader(WebStore(f"{url}/tile"), key).checkpoint()
