"""By when things were said: what a quorum's time proves, what it refuses, and what stays a claim."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import small_release
from core_evidence import good, judged
from core_world import OTHER, OWNER, SECOND, START, SUPPLIER, World
from hypothesis import given
from hypothesis import strategies as st

from countermark.assess.assess import assess
from countermark.errors import CountermarkError, LedgerRefused, StatementRefused, TrustRefused
from countermark.keys import quorum
from countermark.keys.cosigner import ED25519, CosignerKey
from countermark.ledger import cosignature
from countermark.ledger.checkpoint import verify_checkpoint
from countermark.lifecycle import book, heads, release, rows, witnessing
from countermark.lifecycle.acts import waiver_ends
from countermark.lifecycle.gather import gather
from countermark.passport.passport import MAX_HEADS, Passport
from countermark.passport.slip import ledger_note_key, verify
from countermark.passport.times import Times, quorum_time, words
from countermark.policy.waivers import _in_time
from countermark.report.html import to_html
from countermark.report.view import Report
from countermark.statement.predicates.acts import APPROVAL, Approval, Waiver
from countermark.statement.statement import EVERYBODY, Context, Statement


def _attack(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[3] / "attacks" / "ledger" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


attack = _attack("backdated")
FIVE, END = timedelta(days=5), attack.END


@pytest.fixture
def world(tmp_path: Path) -> World:
    return attack.project(tmp_path / "world", witnessed=True)


@pytest.fixture
def papers(world: World) -> Passport:
    """Released on day 5, packed again on day 20 against a newer head; the owner's key ended on day 10."""
    world.clock.move(days=5)
    attack.honest(world)
    world.clock.move(days=15)
    attack.grow(world)
    return Passport.from_bytes(attack.honest(world).read_bytes())


def test_without_witnesses_a_backdated_verdict_is_claimed_and_nobody_can_tell(tmp_path: Path) -> None:
    world = attack.project(tmp_path / "world", witnessed=False)
    world.clock.move(days=20)
    done = attack.read(world, attack.backdated(world, FIVE))
    assert done.when == "claimed 2026-11-28T10:00:00Z" and done.state == "admitted, unwitnessed"


def test_with_a_quorum_it_is_refused(world: World) -> None:
    world.clock.move(days=20)
    papers = attack.backdated(world, FIVE)
    with pytest.raises(TrustRefused, match="no quorum saw this statement before"):
        attack.read(world, papers)
    # Heads of before its entry prove nothing of it, nor does the head that covers it.
    for size in (1, 2):
        older = [h for h in heads.known(world[OWNER], world[OWNER].trust(), _newest(world)) if h.head.size == size]
        brought = replace(papers, heads=tuple(h.head.note for h in older))
        with pytest.raises((TrustRefused, LedgerRefused)):
            attack.read(world, brought)


def _newest(world: World):
    with book.ledger(world[OWNER], world[OWNER].trust()) as log:
        return log.checkpoint


@pytest.mark.parametrize("witnessed", [False, True])
def test_what_a_revoked_key_says_is_refused_however_it_is_dated(tmp_path: Path, witnessed: bool) -> None:
    world = attack.project(tmp_path / "world", witnessed=witnessed)
    world.clock.move(days=7)
    papers = attack.backdated(world, FIVE)
    assert attack.read(world, papers).when.startswith("witnessed by" if witnessed else "claimed")
    with pytest.raises(TrustRefused, match="revoked: used by night"):
        attack.read(world, attack.revoke(world, papers))


def test_an_honest_verdict_outlives_its_key_by_the_head_that_was_cosigned_then(world: World, papers: Passport) -> None:
    done = attack.read(world, papers)
    assert done.when == "witnessed by 2026-11-28T10:00:00Z" and done.checkpoint.size == 4
    assert len(papers.to_bytes()) < 40_000 and len(papers.heads) == 1
    assert Passport.from_bytes(papers.to_bytes()) == papers
    with pytest.raises(TrustRefused, match="no quorum saw"):
        attack.read(world, replace(papers, heads=()))


def test_heads_that_do_not_hold_are_refused_and_others_quorums_show_nothing(world: World, papers: Passport) -> None:
    (note,) = papers.heads
    size = next(iter(s for s in papers.consistency if s == 3))
    without = {s: p for s, p in papers.consistency.items() if s != size}
    forged = note.replace(b"\n3\n", b"\n2\n")
    for bad in (
        replace(papers, consistency=without), replace(papers, heads=(forged,)), replace(papers, heads=(b"nothing",)),
        replace(papers, heads=(note[:-40] + b"\n",)), replace(papers, consistency=papers.consistency | {size: (bytes(32),)}),
    ):  # fmt: skip
        with pytest.raises(CountermarkError):
            attack.read(world, bad)
    alone = b"\n".join(line for line in note.split(b"\n") if b"/" not in line or b"parts/" not in line)
    with pytest.raises(TrustRefused, match="no quorum saw"):  # the ledger's own signature is no witness
        attack.read(world, replace(papers, heads=(alone,)))


def test_a_passport_brings_so_many_heads_and_no_more(papers: Passport) -> None:
    with pytest.raises(StatementRefused, match="at most"):
        Passport.from_bytes(replace(papers, heads=papers.heads * (MAX_HEADS + 1)).to_bytes())
    for bad in (b'"heads":[3]', b'"heads":{}', b'"heads":[null]'):
        data = papers.to_bytes()
        start, end = data.index(b'"heads":['), data.index(b"]", data.index(b'"heads":['))
        with pytest.raises(StatementRefused):
            Passport.from_bytes(data[:start] + bad + data[end + 1 :])


def test_a_witness_that_backdates_alone_moves_nothing(world: World) -> None:
    """Two of three are asked for: the time is that of the second to see it, so one liar cannot make it earlier."""
    desk, trust = world[OWNER], world[OWNER].trust()
    head, rule = _bare(world), quorum.parse(trust.document.quorum)
    noon = int(START.timestamp())

    def seen(**times: int) -> datetime | None:
        lines = [
            cosignature.cosign(_key(world, name), head, noon + at, world[name].signer("witness").sign)
            for name, at in times.items()
        ]
        return quorum_time(cosignature.with_cosignatures(head, lines), trust, desk.now())

    assert rule.needed and seen(**{SECOND: 0}) is None
    assert seen(**{SECOND: -5000, SUPPLIER: 60}) == START + timedelta(seconds=60)
    assert seen(**{SECOND: -(10**8), SUPPLIER: 60, OTHER: 120}) == START + timedelta(seconds=60)
    assert seen(**{SECOND: 120, SUPPLIER: 60, OTHER: 30}) == START + timedelta(seconds=60)
    assert seen(**{SECOND: 0, SUPPLIER: 10_000}) is None, "a cosignature from the future shows nothing"


def _bare(world: World):
    key = ledger_note_key(world[OWNER].trust())
    note = _newest(world).note
    text, _, lines = note.partition(b"\n\n")
    own = [line for line in lines.split(b"\n") if b" countermark.invalid/parts " in line]
    return verify_checkpoint(text + b"\n\n" + own[0] + b"\n", key)


def _key(world: World, name: str) -> CosignerKey:
    public = world[name].signer("witness").public.raw()
    return CosignerKey(witnessing.name(world[OWNER].trust(), name), ED25519, public)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**6)), max_size=12), st.integers(0, 60))
def test_times_are_the_earliest_that_covers(some: list[tuple[int, int]], entry: int) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    by = Times(tuple((size, start + timedelta(seconds=s)) for size, s in some)).by(entry)
    covering = [s for size, s in some if size > entry]
    assert by == (start + timedelta(seconds=min(covering)) if covering else None)
    assert words(by, "X") == ("claimed X" if by is None else f"witnessed by {by:%Y-%m-%dT%H:%M:%SZ}")


def test_evidence_and_pages_say_witnessed_or_claimed(world: World, papers: Passport, tmp_path: Path) -> None:
    desk = world[OWNER]
    evidence = gather(desk, papers.model, "model").evidence
    (delivery,) = evidence["deliveries"]
    assert delivery["time_kind"] == "witnessed" and delivery["witnessed_by"] == "2026-11-23T10:00:00Z"
    assert evidence["ledger"]["witnessed_by"] == "2026-12-13T10:00:00Z"
    alone = attack.project(tmp_path / "alone", witnessed=False)
    plain = gather(alone[OWNER], papers.model, "model").evidence
    assert (plain["deliveries"][0]["time_kind"], plain["deliveries"][0]["witnessed_by"]) == ("claimed", None)
    assert plain["ledger"]["witnessed_by"] is None
    page = good(2)
    page["training"] |= {"time_kind": "witnessed", "witnessed_by": "2026-11-24T00:00:00Z"}
    html = to_html(Report(page, verdict := judged(page), assess(page, verdict)))
    assert "witnessed by 2026-11-24T00:00:00Z" in html and "claimed 20" in html


def test_an_approval_by_an_ended_key_is_no_evidence_unless_it_was_seen_before(world: World) -> None:
    """Approvals by the second owner's key; one was seen before it ended, one was dated back."""
    world.amend(
        lambda d: d.with_party(
            attack._with_key(
                replace(d.party(SECOND), roles=("model-owner", "reviewer")),
                not_after=END.strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
        )
    )
    desk, model = world[OWNER], _model(world)
    _approve(world, model, START + FIVE, "in time")
    world.clock.move(days=5)
    attack.cosigned(world)
    assert [a["witnessed_by"] for a in gather(desk, model, "model").evidence["approvals"]] == ["2026-11-28T10:00:00Z"]
    world.clock.move(days=10)
    _sneak(world, _approval(world, model, START + FIVE, "dated back"))
    attack.cosigned(world)
    evidence = gather(desk, model, "model").evidence
    assert [a["witnessed_by"] for a in evidence["approvals"]] == ["2026-11-28T10:00:00Z"]
    assert any("no quorum saw this statement before" in line for line in evidence["not_looked_at"])


def _model(world: World):
    from countermark.artefact.folder import read_folder

    return read_folder(world.root / "model")


def _approval(world: World, model, at: datetime, note: str):
    context = Context(world.fingerprint, EVERYBODY, at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return world[SECOND].sign(Statement("model", model.digest, APPROVAL, Approval(context, "1" * 64, note).to_json()))


def _approve(world: World, model, at: datetime, note: str) -> None:
    book.enter(world[OWNER], world[OWNER].trust(), [_approval(world, model, at, note)])


def _sneak(world: World, envelope) -> None:
    """Enter it with the keeper's clock set back: his own software refuses an ended key otherwise."""
    past = replace(world[OWNER], clock=lambda: START + FIVE)
    book.enter(past, past.trust(), [envelope])


def test_rows_set_aside_by_an_ended_key_stay_aside(world: World) -> None:
    """A quarantine takes away: that nobody saw it in time must not let its rows back."""
    desk = world[OWNER]
    row = rows.listed(desk)[0]
    rows.quarantine(desk, [row.id], reason="blurred", screening=None, dataset="1" * 64)
    world.clock.move(days=20)
    attack.cosigned(world)
    assert row.id in rows.select(desk, rows.listed(desk)).aside
    evidence = gather(desk, _model(world), "model").evidence
    assert evidence["set_aside"] == [row.id] and evidence["quarantines"][0]["rows"] == [row.id]


def test_a_waiver_lasts_ninety_days_from_when_it_was_seen_at_the_latest() -> None:
    def waiver(made: str, until: str) -> Waiver:
        return Waiver(Context("a" * 64, EVERYBODY, made), "data/contract", until, "known")

    postdated = waiver("2026-03-01T00:00:00Z", "2026-05-30T00:00:00Z")
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    assert waiver_ends(postdated) and not waiver_ends(postdated, seen)
    late = datetime(2026, 4, 1, tzinfo=UTC)
    assert waiver_ends(postdated, late), "that it was seen later takes nothing from what its signer says"
    too_long = waiver("2026-01-01T00:00:00Z", "2026-05-30T00:00:00Z")
    assert not waiver_ends(too_long) and not waiver_ends(too_long, late), "and adds nothing"
    now = datetime(2026, 4, 2, tzinfo=UTC)
    item = {"time": "2026-03-01T00:00:00Z", "until": "2026-05-30T00:00:00Z"}
    assert _in_time(item, now) and not _in_time(item | {"witnessed_by": "2026-01-01T00:00:00Z"}, now)
    assert not _in_time(item | {"time": "2026-01-01T00:00:00Z", "witnessed_by": "2026-03-05T00:00:00Z"}, now)
    assert not _in_time(item | {"witnessed_by": "nonsense"}, now) and _in_time(item | {"witnessed_by": None}, now)


def test_a_readers_clock_that_is_behind_makes_no_snapshot_fresh(world: World) -> None:
    """Witnesses saw the papers' head four minutes from now, by this reader's clock; the snapshot ended a minute ago by theirs."""
    from countermark.lifecycle import acts

    slip = acts.snapshot(world[OWNER], days=1)
    world.clock.move(days=1, minutes=1)
    attack.cosigned(world)
    papers = Passport.from_bytes(attack.honest(world).read_bytes())
    model = _model(world)
    from countermark.passport.verify import Pin, verify_passport

    behind = world.clock() - timedelta(minutes=4)
    pin = Pin(world.fingerprint, snapshot=slip)
    assert verify_passport(papers, model, pin, behind).fresh_until is None
    alone = replace(pin, snapshot=slip)
    assert verify_passport(papers, model, alone, world.clock()).fresh_until is None


def test_kept_heads_that_do_not_hold_show_nothing(world: World, papers: Passport) -> None:
    desk, trust, newest = world[OWNER], world[OWNER].trust(), _newest(world)
    known = heads.known(desk, trust, newest)
    assert [(k.head.size, k.time) for k in known] == [(2, START), (3, START + FIVE), (4, START + 4 * FIVE)]
    folder = desk.space.home / heads.FOLDER
    kept = {p: p.read_bytes() for p in folder.iterdir()}
    for path, data in kept.items():
        for bad in (b"", data[:-30], data.replace(b"\n3\n", b"\n2\n"), b"\xff" * 50):
            path.write_bytes(bad)
            assert {k.head.size for k in heads.known(desk, trust, newest)} <= {2, 3, 4} - (
                {int(path.stem)} if bad != data else set()
            )
        path.write_bytes(data)
    nobody = replace(trust, document=replace(trust.document, quorum="none"))
    assert heads.known(desk, nobody, newest) == []


def test_of_one_size_the_earlier_time_is_kept(world: World) -> None:
    desk, trust = world[OWNER], world[OWNER].trust()
    path = desk.space.home / heads.FOLDER / "2.checkpoint"
    first = path.read_bytes()
    world.clock.move(days=3)
    attack.cosigned(world)
    assert path.read_bytes() == first
    path.write_bytes(b"damaged")
    witnessing.ask(desk, trust)
    assert quorum_time(verify_checkpoint(path.read_bytes(), ledger_note_key(trust)), trust, desk.now())


def test_many_heads_are_thinned_and_every_entry_keeps_one(world: World) -> None:
    head = _newest(world)
    some = [heads.Cosigned(replace(head, size=n), START + timedelta(seconds=n)) for n in range(1, 200)]
    chosen = heads.chosen(some, range(199))
    assert len(chosen) == heads.MOST and {chosen[0].head.size, chosen[-1].head.size} == {1, 199}
    assert heads.times(chosen).by(198) and not heads.times(chosen).by(199)
    assert heads.chosen(some, [5, 5, 150]) == [some[5], some[150]] and heads.chosen([], [1]) == []


def test_a_single_slip_is_timed_by_its_own_receipt(world: World) -> None:
    desk, trust = world[OWNER], world[OWNER].trust()
    (slip,), _ = book.refreshed(desk, trust, [book.find(desk, "0")])
    assert verify(slip, trust, desk.now()).when == "witnessed by 2026-11-23T10:00:00Z"
    filed = verify(book.find(desk, "0"), trust, desk.now())
    assert filed.when == f"claimed {filed.context.time}", "the receipt of its entering carries no cosignature yet"


def test_a_release_is_refused_whole_where_the_quorum_did_not_see_the_delivery_in_time(world: World) -> None:
    """The supplier's key ended; its delivery was entered, but cosigned only later: the rows would be nobody's."""
    world.amend(
        lambda d: d.with_party(attack._with_key(d.party(SUPPLIER), not_after=END.strftime("%Y-%m-%dT%H:%M:%SZ")))
    )
    desk = world[OWNER]
    assert release.judge(desk, world.root / "model", small_release.POLICY).admitted
    for file in (desk.space.home / heads.FOLDER).iterdir():
        file.unlink()
    world.amend(lambda d: d.with_party(attack._with_key(d.party(OWNER), not_after=None)))
    world.clock.move(days=20)
    attack.grow_by_owner(world)
    done = release.judge(desk, world.root / "model", small_release.POLICY)
    assert not done.admitted and any("no quorum saw" in line for line in done.gathered.evidence["not_looked_at"])
