"""Keys in trusted elements, end to end: SoftHSM2 and swtpm, which are test doubles and protect nothing, are started here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_doubles
from test_doubles import MODULE, PIN, at_token

needs_softhsm = pytest.mark.skipif(not test_doubles.HAS_SOFTHSM, reason=test_doubles.NO_SOFTHSM)
needs_swtpm = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)


@pytest.fixture(scope="session")
def tokens() -> Path:
    return test_doubles.tokens()


@pytest.fixture
def chip(tmp_path: Path) -> Iterator[str]:
    with test_doubles.software_tpm(tmp_path / "tpm") as where:
        yield where


@needs_softhsm
@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521"])
def test_a_token_key_is_made_taken_again_and_signs(tokens: Path, algorithm: str) -> None:
    from countermark.errors import SignatureRefused
    from countermark.keys import held, uri

    where = uri.parse(at_token(tokens, f"made-{algorithm}"))
    made = held.make(where, "statement", algorithm, held.pin_of(where, lambda: None))  # type: ignore[arg-type]
    again = held.in_element(where, "statement", PIN.encode())
    assert again.public == made.public and made.public.algorithm == algorithm
    again.public.verify(b"said", made.sign(b"said"))
    with pytest.raises(SignatureRefused):
        again.public.verify(b"other", again.sign(b"said"))
    assert PIN not in repr(again) and "private" not in repr(again)


@needs_softhsm
def test_what_a_token_refuses_is_said_with_a_mend(tokens: Path, tmp_path: Path) -> None:
    from countermark.errors import Unusable
    from countermark.keys import held, uri

    def opening(text: str, pin: bytes | None = PIN.encode()) -> None:
        held.in_element(uri.parse(text), "statement", pin)

    good = at_token(tokens, "refusals")
    held.make(uri.parse(good), "statement", "ed25519", PIN.encode())
    opening(good)
    for text, pin, match in (
        (good, b"0000-wrong", "PIN is wrong"),
        (at_token(tokens, "nobody"), PIN.encode(), "0 private keys"),
        (at_token(tokens, "refusals", token="absent"), PIN.encode(), "0 tokens"),
        (at_token(tokens, "refusals", token="other"), PIN.encode(), "0 private keys"),
        (f"pkcs11:object=refusals?module-path={MODULE}", PIN.encode(), r"\d tokens answer"),
        ("pkcs11:token=acme;object=refusals", PIN.encode(), "names no module"),
        ("pkcs11:token=acme;object=refusals?module-path=/nowhere/p11.so", PIN.encode(), "cannot be opened"),
    ):
        with pytest.raises(Unusable, match=match) as caught:
            opening(text, pin)
        assert caught.value.mend and PIN not in str(caught.value)
    with pytest.raises(Unusable, match="already"):
        held.make(uri.parse(good), "statement", "ed25519", PIN.encode())
    with pytest.raises(Unusable, match="makes no ml-dsa-65"):
        held.make(uri.parse(at_token(tokens, "pq")), "statement", "ml-dsa-65", PIN.encode())
    (tokens / "open-pin").write_text(PIN)
    (tokens / "open-pin").chmod(0o644)
    with pytest.raises(Unusable, match="read by others"):
        held.pin_of(uri.parse(at_token(tokens, "refusals", pin="open-pin")), lambda: None)


@needs_swtpm
def test_a_tpm_key_is_made_taken_again_and_signs(chip: str) -> None:
    from countermark.errors import Unusable
    from countermark.keys import held, uri

    where = uri.parse(f"tpm:handle=0x81000001?{chip}")
    made = held.make(where, "statement", "ecdsa-p256", b"password")
    again = held.in_element(where, "statement", b"password")
    assert again.public == made.public and made.public.algorithm == "ecdsa-p256"
    again.public.verify(b"said", made.sign(b"said"))
    other = held.make(uri.parse(f"tpm:handle=0x81000002?{chip}"), "statement", "ecdsa-p256", None)
    assert other.public != made.public
    with pytest.raises(Unusable, match="is taken"):
        held.make(where, "statement", "ecdsa-p256", None)
    with pytest.raises(Unusable, match="the TPM refused"):
        held.in_element(where, "statement", b"wrong").sign(b"said")
    with pytest.raises(Unusable, match="the TPM refused"):
        held.in_element(uri.parse(f"tpm:handle=0x81000009?{chip}"), "statement", None)
    for handle in ("0x80000001", "81000001", "0x8100000", "zero"):
        with pytest.raises(Unusable, match="no persistent handle"):
            held.in_element(uri.parse(f"tpm:handle={handle}?{chip}"), "statement", None)
    with pytest.raises(Unusable, match="makes no ed25519"):
        held.make(uri.parse(f"tpm:handle=0x81000003?{chip}"), "statement", "ed25519", None)


@pytest.mark.parametrize("tcti", ["/tmp/evil.so", "cmd:sh -c id", "device:/dev/tpmrm0 x", "libtss2"])
@needs_swtpm
def test_only_known_ways_lead_to_a_tpm(tcti: str) -> None:
    from countermark.errors import Unusable
    from countermark.keys import held, uri

    with pytest.raises(Unusable, match="no way to a TPM"):
        held.in_element(uri.parse(f"tpm:handle=0x81000001?tcti={tcti}"), "statement", None)


@needs_softhsm
def test_a_supplier_signs_with_a_token_and_a_hybrid_pair_of_an_owner_counts(project, tokens: Path) -> None:
    """The supplier's statement key moves into a token, the owner's becomes a pair, and deliveries go on."""
    uri = at_token(tokens, "supplier-key")
    said = project("key", "new", "statement", "--in", uri, at="acme")
    assert "made: a new statement key" in said.last
    listed = project("key", "list", "--json", at="acme").json()["keys"]
    assert [k["protection"] for k in listed if k["use"] == "statement"] == ["PKCS#11 token"]
    home = project.here / "acme" / ".countermark" / "keys"
    assert (home / "statement.uri").stat().st_mode & 0o777 == 0o600 and not (home / "statement.pem").exists()
    project("key", "new", "statement", "--algorithm", "ml-dsa-65", at="manufacturer")
    project("key", "new", "root", "--algorithm", "ml-dsa-65", at="manufacturer")
    project("party", "add", "../acme/acme.enrol.json", at="manufacturer")
    project("party", "add", "manufacturer.enrol.json", "--signatures", "both", at="manufacturer")
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    project("trust", "export", "../trust.jsonl", at="manufacturer")
    fingerprint = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", fingerprint, "--trust", "../trust.jsonl", at="acme")
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    answer = project("verify", "photos.cmanswer", at="acme", exit=3)
    assert "admitted by manufacturer" in answer.last
    taken = project("key", "use", "statement", uri, at="acme").last
    assert "taken: the statement key" in taken
    assert project("verify", "photos", at="acme").last.startswith("verified: exactly what acme signed")


@needs_softhsm
def test_the_page_runs_as_written(project, tokens: Path) -> None:
    from test_howto_keys import folders, run_page

    folders(project, "stick")
    shutil.copy(tokens / "pin", project.here / "acme" / "pin")
    (project.here / "acme" / "pin").chmod(0o600)
    fingerprint = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    said = run_page(project, "keys-in-an-hsm-or-tpm.md", {"FINGERPRINT": fingerprint})
    assert "made: a new statement key" in said[0]
    state = project("party", "list", "--json", at="manufacturer").json()
    keys = [k for p in state["parties"] if p["id"] == "acme" for k in p["keys"] if k["use"] == "statement"]
    assert {k["algorithm"] for k in keys} == {"ed25519", "ml-dsa-65"}
