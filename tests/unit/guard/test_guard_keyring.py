"""API keys: shown once, stored as hashes, gone when revoked."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from countermark import canonical
from countermark.errors import StatementRefused, Unusable
from countermark.guard import keyring
from countermark.guard.keyring import KeyRing
from countermark.workspace.place import Workspace

NOW = "2026-11-23T10:00:00Z"


class Seconds:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path, {"id": "operator", "name": "O", "organisation": "O Ltd"})


def bearer(token: str) -> bytes:
    return f"Bearer {token}".encode()


def test_the_token_is_not_stored_and_the_file_is_private(space: Workspace) -> None:
    entry, token = keyring.create(space, "plant", NOW)
    file = space.home / keyring.FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert token.rsplit("_", 1)[1] not in file.read_text()
    assert entry.hash == canonical.sha256_hex(token.encode())
    assert keyring.entries(space) == (entry,)


def test_two_tokens_are_never_alike(space: Workspace) -> None:
    assert len({keyring.create(space, "plant", NOW)[1] for _ in range(20)}) == 20


def test_a_key_names_its_caller(space: Workspace) -> None:
    (one, first), (_, second) = keyring.create(space, "plant", NOW), keyring.create(space, "lab", NOW)
    ring = KeyRing.of(space, Seconds())
    caller = ring.identify(bearer(first))
    assert caller and (caller.id, caller.name) == (one.id, "plant")
    other = ring.identify(bearer(second))
    assert other and other.name == "lab"


def test_nothing_else_names_anybody(space: Workspace) -> None:
    entry, token = keyring.create(space, "plant", NOW)
    ring = KeyRing.of(space, Seconds())
    last = "A" if token[-1] != "A" else "B"
    bad = [
        b"", b"\0", b"Bearer", b"Bearer ", token.encode(), b"bearer " + token.encode(), b"Basic " + token.encode(),
        bearer(token[:-1] + last), bearer(token + "A"), bearer(token[:-1]), bearer(token) + b"\n", b" " + bearer(token),
        bearer(f"cmk_{entry.id}_{entry.hash[:43]}"), bearer(f"cmk_{'0' * 16}_{token[-43:]}"), bearer(entry.hash),
        b"\xff" * 80, b"Bearer cmk_" + b"0" * 10_000,
    ]  # fmt: skip
    assert [b for b in bad if ring.identify(b) is not None] == []


def test_no_key_at_all_lets_nobody_in(space: Workspace) -> None:
    assert KeyRing.of(space, Seconds()).identify(b"") is None


def test_a_revoked_key_ends_within_a_second_and_a_new_one_begins(space: Workspace) -> None:
    entry, token = keyring.create(space, "plant", NOW)
    clock = Seconds()
    ring = KeyRing.of(space, clock)
    assert ring.identify(bearer(token))
    assert keyring.revoke(space, entry.id, NOW).revoked == NOW
    _, fresh = keyring.create(space, "plant", NOW)
    clock.now = 1.0
    assert ring.identify(bearer(token)) is None
    assert ring.identify(bearer(fresh))
    assert keyring.revoke(space, entry.id, "2027-01-01T00:00:00Z").revoked == NOW


def test_a_clock_set_back_keeps_no_revoked_key_alive(space: Workspace) -> None:
    entry, token = keyring.create(space, "plant", NOW)
    clock = Seconds()
    clock.now = 1_000_000.0
    ring = KeyRing.of(space, clock)
    assert ring.identify(bearer(token))
    keyring.revoke(space, entry.id, NOW)
    clock.now = 10.0
    assert ring.identify(bearer(token)) is None


def test_revoking_nobody_is_an_error(space: Workspace) -> None:
    with pytest.raises(Unusable, match="no API key"):
        keyring.revoke(space, "0" * 16, NOW)


@pytest.mark.parametrize("change", ["gone", "malformed", "open", "link"])
def test_a_ring_whose_file_went_bad_lets_nobody_in(space: Workspace, change: str) -> None:
    _, token = keyring.create(space, "plant", NOW)
    file, clock = space.home / keyring.FILE, Seconds()
    ring = KeyRing.of(space, clock)
    assert ring.identify(bearer(token))
    good = file.read_bytes()
    if change == "gone":
        file.unlink()
    elif change == "malformed":
        file.write_bytes(b"{")
    elif change == "open":
        space.disk.write(file, good, mode=0o644)
    else:
        file.unlink()
        (space.home / "elsewhere").write_bytes(good)
        file.symlink_to("elsewhere")
    clock.now = 1.0
    assert ring.identify(bearer(token)) is None
    file.unlink(missing_ok=True)
    space.disk.write(file, good)
    clock.now = 2.0
    assert ring.identify(bearer(token)), "a mended file counts again"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format":2,"keys":[]}',
        b'{"format":1}',
        b'{"format":1,"keys":[{}]}',
        b'{"format":1,"keys":[],"x":1}',
    ],
)
def test_a_malformed_file_is_refused_at_the_start(space: Workspace, data: bytes) -> None:
    space.disk.write(space.home / keyring.FILE, data)
    with pytest.raises(StatementRefused):
        KeyRing.of(space, Seconds())
    with pytest.raises(StatementRefused):
        keyring.create(space, "plant", NOW)
    assert (space.home / keyring.FILE).read_bytes() == data


def test_a_file_that_others_can_read_is_refused(space: Workspace) -> None:
    keyring.create(space, "plant", NOW)
    (space.home / keyring.FILE).chmod(0o640)
    with pytest.raises(Unusable, match="others can read"):
        keyring.entries(space)


def test_names_that_would_forge_a_listing_are_refused(space: Workspace) -> None:
    with pytest.raises(StatementRefused):
        keyring.create(space, "plant\x1b[2J", NOW)
    assert not (space.home / keyring.FILE).exists()


def test_keys_made_at_once_are_all_kept(space: Workspace) -> None:
    threads = [threading.Thread(target=keyring.create, args=(space, f"n{i}", NOW)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {e.name for e in keyring.entries(space)} == {f"n{i}" for i in range(8)}
    assert len(json.loads((space.home / keyring.FILE).read_bytes())["keys"]) == 8
