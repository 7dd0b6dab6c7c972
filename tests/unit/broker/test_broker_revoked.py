"""An owner takes a licence back: whoever goes on asking under it gets no key, whatever older list is shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from broker_world import World
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "licence"))
from core_world import SECOND, private_key
from licence_world import Licensors, claims

from countermark.broker import prove, revoked
from countermark.broker.revoked import Revoked, _Kept
from countermark.broker.service import Broker
from countermark.errors import CountermarkError, PolicyRefused, Refusal, SignatureRefused, StatementRefused, Unusable
from countermark.keys import signer
from countermark.licence.refusal import LicenceRefused

LICENCES = tuple(f"{n:064x}" for n in (1, 2, 3))
KEY = private_key(SECOND, "licence").public


@pytest.fixture(scope="module")
def licensors(tmp_path_factory: pytest.TempPathFactory) -> Licensors:
    return Licensors.make(tmp_path_factory.mktemp("licensors") / "world")


def ask(world: World, broker: Broker, licence: str, by: signer.FileSigner | None = None) -> bytearray:
    mine = prove.ephemeral()
    asset = world.asset(licence=licence)
    asked = prove.request(asset, broker.challenge(), mine, prove.by_key(by or world.host))
    return prove.content_key(asset, broker.release(asked.to_bytes()), mine, None)


def test_a_revoked_licence_gets_no_key(world: World, licensors: Licensors) -> None:
    """The attack: the licensee keeps file, licence and evidence, and asks again after the owner's word."""
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(
            broker, *(world.rule(licence=licence, releases=9) for licence in LICENCES), world.rule(releases=9)
        )
        assert ask(world, broker, LICENCES[0]) == world.key
        lists = world.deposits().revoked  # of another process than the broker's: felt at once
        lists.keep("acme", licensors.revocations(1, LICENCES[0]), [KEY])
        before = log.checkpoint.size
        with pytest.raises(LicenceRefused) as caught:
            ask(world, broker, LICENCES[0])
        assert caught.value.claim == "revocation" and "epoch 1" in caught.value.seen
        assert log.checkpoint.size == before, "nothing was logged"
        assert ask(world, broker, LICENCES[1]) == world.key and ask(world, broker, "0" * 64) == world.key
        lists.keep("acme", licensors.revocations(2, *LICENCES[:2], days=1), [KEY])
        world.clock.now += 5 * 86400  # the list was due for renewal: what it names stays revoked
        for licence in LICENCES[:2]:
            with pytest.raises(LicenceRefused):
                ask(world, broker, licence)
        assert ask(world, broker, LICENCES[2]) == world.key
        with pytest.raises(SignatureRefused):
            lists.keep("acme", licensors.revocations(3, by="plant"), [KEY])


def test_a_stranger_is_not_told_what_is_revoked(world: World, licensors: Licensors) -> None:
    with world.log() as log:
        broker = world.broker(log)
        world.stocked(broker, world.rule(licence=LICENCES[0]))
        world.deposits().revoked.keep("acme", licensors.revocations(1, LICENCES[0]), [KEY])
        with pytest.raises(Refusal, match="not enrolled"):
            ask(world, broker, LICENCES[0], signer.generate("host"))


def test_no_older_list_and_no_strangers_word_counts(tmp_path: Path, licensors: Licensors) -> None:
    """The attacks: last year's list, another one of the same number, one signed by a licensee, by another use, or of another kind."""
    lists = Revoked(tmp_path)
    lists.keep("acme", licensors.revocations(5, *LICENCES[:2]), [KEY])
    for older in (licensors.revocations(4, *LICENCES), licensors.revocations(5, LICENCES[0]), licensors.revocations(5)):
        with pytest.raises(PolicyRefused, match="newer list"):
            lists.keep("acme", older, [KEY])
    lists.keep("acme", licensors.revocations(5, *LICENCES[:2]), [KEY])
    other, statement = private_key("thief", "licence").public, private_key(SECOND, "statement").public
    for keys in ([other], [], [statement], [KEY] * 65):
        with pytest.raises(SignatureRefused):
            lists.keep("acme", licensors.revocations(6), keys)
    with pytest.raises(StatementRefused):
        lists.keep("acme", licensors.grant(claims()).to_bytes(), [KEY])
    for name in ("", "../acme", "Acme"):
        with pytest.raises(StatementRefused):
            lists.keep(name, licensors.revocations(6), [KEY])
    for licence in LICENCES[:2]:
        with pytest.raises(LicenceRefused):
            Revoked(tmp_path).refuse("acme", licence)
    Revoked(tmp_path).refuse("acme", LICENCES[2])
    Revoked(tmp_path).refuse("rival", LICENCES[0])  # an owner speaks of his own assets alone


def test_a_list_that_does_not_hold_releases_nothing_until_it_is_brought_again(
    tmp_path: Path, licensors: Licensors
) -> None:
    """The attack: somebody edits the file, or lays another owner's in its place; then nobody can tell, and nobody is answered."""
    lists = Revoked(tmp_path)
    data = licensors.revocations(1, LICENCES[0])
    lists.keep("acme", data, [KEY])
    lists.keep("rival", licensors.revocations(1), [KEY])
    (path,), (theirs,) = (list((tmp_path / "revoked" / owner).glob("*.json")) for owner in ("acme", "rival"))
    good = path.read_bytes()
    for bad in (good.replace(KEY.id.encode()[:8], b"00000000"), good[:-9], b"", theirs.read_bytes()):
        path.write_bytes(bad)
        for seen in (lists, Revoked(tmp_path)):
            with pytest.raises(Unusable, match="does not hold") as caught:
                seen.refuse("acme", LICENCES[1])
            assert "broker revoked" in caught.value.mend
    lists.keep("acme", data, [KEY])
    with pytest.raises(LicenceRefused):
        lists.refuse("acme", LICENCES[0])


def test_a_file_that_is_written_in_place_is_read_again(world: World, tmp_path: Path, licensors: Licensors) -> None:
    """The attack: as many bytes, in the same file, and its time of modification set back; what was read before counts no more."""
    lists = Revoked(tmp_path)
    for licence in LICENCES[:2]:
        Revoked(tmp_path / licence).keep("acme", licensors.revocations(1, licence), [KEY])
    lists.keep("acme", licensors.revocations(1, LICENCES[0]), [KEY])
    lists.refuse("acme", LICENCES[1])
    (path,), (other,) = (list((at / "revoked" / "acme").glob("*.json")) for at in (tmp_path, tmp_path / LICENCES[1]))
    in_place(path, other.read_bytes())
    with pytest.raises(LicenceRefused):
        lists.refuse("acme", LICENCES[1])
    deposits = world.deposits()
    deposits.enrol("acme", [world.owner.public])
    deposits.put("acme", *world.envelopes([world.rule(releases=3)]))
    assert deposits.find("acme", world.prelude.asset).policy.rules[0].releases == 3
    (path,) = (world.home / "deposits" / "acme").glob("*.json")
    in_place(path, path.read_bytes().replace(b'"payload":"', b'"payload":"e', 1)[: path.stat().st_size])
    with pytest.raises(Refusal):
        deposits.find("acme", world.prelude.asset)


def in_place(path: Path, data: bytes) -> None:
    before = path.stat()
    assert len(data) == before.st_size
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_list_that_no_host_would_read_is_not_kept(
    tmp_path: Path, licensors: Licensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revoked, "MOST_LIST_BYTES", 600)
    Revoked(tmp_path).keep("acme", licensors.revocations(1, LICENCES[0]), [KEY])
    with pytest.raises(StatementRefused, match=r"a list of \d+ bytes"):
        Revoked(tmp_path).keep("acme", licensors.revocations(2, *(f"{n:064x}" for n in range(9))), [KEY])
    with pytest.raises(LicenceRefused, match="revocation"):
        Revoked(tmp_path).refuse("acme", LICENCES[0])


def test_lists_that_cannot_be_read_are_no_missing_lists(tmp_path: Path) -> None:
    (tmp_path / "revoked").mkdir()
    (tmp_path / "revoked" / "acme").write_bytes(b"")
    with pytest.raises(Unusable, match="cannot be read") as caught:
        Revoked(tmp_path).refuse("acme", LICENCES[0])
    assert "broker revoked" in caught.value.mend


@given(st.binary(max_size=300))
def test_no_bytes_lead_to_another_exception(data: bytes) -> None:
    with pytest.raises(CountermarkError):
        _Kept.from_bytes(data)
