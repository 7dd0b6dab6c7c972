"""The ledger's keeper sets his clock back and says, with a key that has ended or was revoked, what he could not say today.

    python attacks/ledger/backdated.py

His verdict claims a time before the key's end. Without witnesses nobody can tell, and the papers say `claimed`. With a quorum the
entry was first seen after the end, and the papers are refused, whatever older heads are put into them; an honest verdict of before
the end still verifies, because its papers bring the head that was cosigned then. Exit code 0 when that held.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
import small_release
from core_world import OWNER, START, SUPPLIER, Clock, World, private_key

from countermark.artefact.folder import read_folder
from countermark.errors import CountermarkError, LedgerRefused
from countermark.keys.document import Party, Revocation
from countermark.lifecycle import book, release, witnessing
from countermark.lifecycle.receive import receive
from countermark.passport.passport import Passport
from countermark.passport.verify import Pin, Verified, verify_passport
from countermark.statement.predicates.acts import WITHDRAWAL, Withdrawal
from countermark.statement.statement import EVERYBODY, Statement

_SPEC = importlib.util.spec_from_file_location("split_view", Path(__file__).with_name("split_view.py"))
if _SPEC is None or _SPEC.loader is None:
    raise SystemExit("split_view.py is not beside this file")
split_view = importlib.util.module_from_spec(_SPEC)
sys.modules["split_view"] = split_view
_SPEC.loader.exec_module(split_view)

END = START + timedelta(days=10)


def project(root: Path, *, witnessed: bool) -> World:
    """One admitted delivery, and an owner whose statement key ends in ten days; three witnesses without a network."""
    world = World.make(root)
    if witnessed:
        split_view.enrol_witnesses(world)
    world.amend(small_release.amended)
    world.amend(lambda d: d.with_party(_with_key(d.party(OWNER), not_after=END.strftime("%Y-%m-%dT%H:%M:%SZ"))))
    if witnessed:
        world.amend(lambda d: replace(d, quorum=split_view.policy_text(world, {})))
    parts, _ = world.delivered()
    receive(world[OWNER], parts)
    private_key(OWNER, "oms").save(world[OWNER].space.folder("keys") / "oms.pem")
    (world.root / "model").mkdir()
    (world.root / "model" / "weights.bin").write_bytes(b"weights")
    cosigned(world)
    return world


def _with_key(party: Party, **changes: object) -> Party:
    keys = (replace(k, **changes) if k.key.use == "statement" else k for k in party.keys)  # type: ignore[arg-type]
    return replace(party, keys=tuple(keys))


def cosigned(world: World) -> None:
    """Every witness cosigns the newest head, by its own clock; answers are carried by hand."""
    desk, trust = world[OWNER], world[OWNER].trust()
    if trust.document.quorum == "none":
        return
    answers = []
    for name in split_view.WITNESSES:
        asked = witnessing.request(desk, trust, witnessing.seen(world[name], world[name].trust()).size)
        answers.append(witnessing.answer(world[name], asked.to_bytes()).body)
    if not witnessing.ask(desk, trust, answers).enough:
        raise SystemExit("the witnesses did not cosign")


def honest(world: World) -> Path:
    """A release as it should be; returns its papers."""
    model = world.root / "model"
    try:
        done = release.release(world[OWNER], model, small_release.POLICY)
    except LedgerRefused:  # the verdict's own head waits for its witnesses
        cosigned(world)
        done = release.release(world[OWNER], model, small_release.POLICY)
    if done.passport is None:
        raise SystemExit("the policy refuses")
    return done.passport


def backdated(world: World, says: timedelta) -> Passport:
    """Papers of a verdict that the keeper signs today, and dates `says` after the project's start."""
    desk, model = world[OWNER], world.root / "model"
    past = replace(desk, clock=Clock(START + says))
    trust = past.trust()
    judged = release.judge(past, model, small_release.POLICY)
    slip = release._enter(past, trust, release._statement(past, model.name, judged))
    cosigned(world)
    return release.pack(desk, desk.trust(), judged, slip, auditor=False)


def read(world: World, papers: Passport) -> Verified:
    """What a reader with a right clock makes of papers."""
    return verify_passport(papers, read_folder(world.root / "model"), Pin(world.fingerprint), world.clock())


def tried(world: World, papers: Passport) -> str:
    """`admitted ...`, or why not."""
    try:
        done = read(world, papers)
    except CountermarkError as error:
        return f"refused: {error.what}"
    return f"{done.state}, {done.when}"


def grow(world: World) -> None:
    """Something else is entered, so that the ledger's head is a newer one."""
    said = Withdrawal(world[SUPPLIER].context(EVERYBODY), "9" * 64, "never delivered", None)
    envelope = world[SUPPLIER].sign(Statement("withdrawn", "9" * 64, WITHDRAWAL, said.to_json()))
    book.enter(world[OWNER], world[OWNER].trust(), [envelope])
    cosigned(world)


def grow_by_owner(world: World) -> None:
    """The same by the owner, whose key counts."""
    said = Withdrawal(world[OWNER].context(EVERYBODY), "9" * 64, "never delivered", None)
    book.enter(
        world[OWNER],
        world[OWNER].trust(),
        [world[OWNER].sign(Statement("withdrawn", "9" * 64, WITHDRAWAL, said.to_json()))],
    )
    cosigned(world)


def revoke(world: World, papers: Passport) -> Passport:
    """The owners learn of it and revoke the keeper's statement key from its verdict on; the papers with the new trust version."""
    gone = Revocation(papers.verdict.index(), "used by night")
    world.amend(lambda d: d.with_party(_with_key(d.party(OWNER), revoked=gone)))
    return replace(papers, trust=world[OWNER].trust().envelopes)


def main() -> int:
    """Both sides."""
    said: dict[str, str] = {}
    for witnessed in (False, True):
        name = "with a quorum" if witnessed else "without witnesses"
        with tempfile.TemporaryDirectory() as place:
            world = project(Path(place) / "world", witnessed=witnessed)
            world.clock.move(days=20)
            papers = backdated(world, timedelta(days=5))
            said[f"backdated {name}"] = tried(world, papers)
            said[f"revoked {name}"] = tried(world, revoke(world, papers))
    with tempfile.TemporaryDirectory() as place:
        world = project(Path(place) / "world", witnessed=True)
        world.clock.move(days=5)
        honest(world)
        world.clock.move(days=15)
        grow(world)
        papers = Passport.from_bytes(honest(world).read_bytes())
        said["honest, packed again after the key's end"] = tried(world, papers)
        said["the same without its older heads"] = tried(world, replace(papers, heads=()))
    for name, told in said.items():
        print(f"{name}: {told}")
    held = [told.startswith("admitted") for told in said.values()]
    return 0 if held == [True, False, False, False, True, False] else 1


if __name__ == "__main__":
    sys.exit(main())
