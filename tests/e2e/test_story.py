"""The factory's story, whole and small: real pictures, real sandbox, real servers; and its papers, attacked."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

pytest.importorskip("numpy")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.cases.factory import model as making
from countermark.cases.factory import story
from countermark.cases.factory.parties import OWNER, PLANT, REVIEWER, RISK, TRAINER
from countermark.cases.factory.supply import Supply
from countermark.cases.factory.tell import Tell
from countermark.cli.main import countermark
from countermark.errors import LedgerRefused, NothingToVerify, PolicyRefused, Refusal, TreeRefused, TrustRefused
from countermark.lifecycle import (
    acts,
    book,
    enrol,
    own_keys,
    recall,
    release,
    review,
    rows,
    trust_draft,
    verify,
    witnessing,
)
from countermark.lifecycle import train as training
from countermark.passport.passport import Passport, packed, unpacked
from countermark.passport.verify import verify_passport

pytestmark = pytest.mark.slow
PARTS, IMAGES = 40, 1200


@dataclass
class Told:
    result: dict[str, Any]
    made: making.Made
    shop: Supply
    root: Path
    events: list[tuple[str, str]]

    @property
    def hermetic(self) -> bool:
        return self.result["hermetic"] == "claimed"


def small_policy() -> bytes:
    """The shipped policy, with the extraction bound where 160 test pictures can measure it."""
    return story.default_policy().replace(b"300 queries", b"100 queries")


def play(root: Path, cache: Path, held: ExitStack, **options: Any) -> Told:
    events: list[tuple[str, str]] = []
    tell = Tell(lambda kind, line: events.append((kind, line)))
    given = story.Options(root, cache, policy=small_policy(), **{"count": PARTS, "images": IMAGES, **options})
    return Told(*story.run(given, tell, held), root, events)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is absent: no run here can be hermetic")
    home = tmp_path_factory.mktemp("story")
    with ExitStack() as held:
        yield play(home / "demo", home / "cache", held)


def test_three_deliveries_are_turned_away_with_reasons_by_file(told: Told) -> None:
    reasons = {r["supplier"]: " ".join(r["reasons"]) for r in told.result["refused_deliveries"]}
    assert len(told.result["refused_deliveries"]) == 3
    assert any("outside the scope" in why for why in reasons.values())
    assert any(re.search(r"changed: \S+/\d+\.png", why) for why in reasons.values())
    assert "no signature" in reasons["unknown signer"]


def test_every_command_that_the_story_shows_is_one(told: Told) -> None:
    shown = [line for kind, line in told.events if kind == "command"]
    assert len(shown) > 10
    for line in shown:
        _, *words = shlex.split(line)
        command: click.Command = countermark
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        command.make_context(str(command.name), words)  # raises on unknown options and on missing ones


def test_both_cheats_are_named_and_their_rows_set_aside(told: Told) -> None:
    planted = told.result["planted"]
    assert {n["supplier"] for n in told.result["named"]} == {planted["backdoor"], planted["label_flips"]}
    assert told.result["quarantined"]["recall"] >= 0.8


def test_the_model_is_trained_from_exactly_the_admitted_rows(told: Told) -> None:
    round_1 = told.shop.parties.folder(TRAINER) / "round-1"
    assert told.made.trained.said.inputs["train"] == read_folder(round_1 / "data" / "train").digest
    assert told.hermetic, told.made.trained.run.reasons
    probed = told.made.trained.said.probe
    assert probed and set(probed.values()) == {"refused"}


def test_the_same_inputs_and_seed_give_the_same_model_bytes(told: Told) -> None:
    home = told.shop.parties.folder(TRAINER) / "round-1"
    again = training.train(told.shop.parties[TRAINER], home / making.RECIPE, making.COMMAND, home / "again")
    assert again.tree.digest == told.made.trained.tree.digest
    assert again.said.inputs == told.made.trained.said.inputs


def test_verdict_papers_and_tampering(told: Told) -> None:
    assert told.result["verdict"] == "admitted"
    assert told.result["freshness"]["first_contact"] == "freshness: not shown"
    assert "shown until" in told.result["freshness"]["pinned"]
    refused = told.result["tampering_refused"]
    assert set(refused) == {
        "one byte swapped", "a file renamed", "a file added", "a receipt dropped", "an older ledger"
    }  # fmt: skip
    assert "model.onnx" in refused["one byte swapped"]
    assert "labels.json" in refused["a file renamed"]
    assert "custom_ops.so" in refused["a file added"]
    assert all(refused.values())


def test_a_rewritten_history_finds_no_witness(told: Told) -> None:
    refused = told.result["rewriting_refused"]
    assert len(refused) == 3
    assert all("does not extend" in why or "cosigned" in why for why in refused.values()), refused


def test_the_policy_refused_before_the_approval(told: Told) -> None:
    before = next(line for _, line in told.events if line.startswith("before the approval"))
    assert "refused" in before and "approved-by-reviewer" in before


def test_a_changed_answer_is_noticed(told: Told) -> None:
    assert told.result["guard"]["asked"] == 5
    assert told.result["guard"]["changed_answer_refused"]


def test_the_corrected_delivery_clears_its_supplier(told: Told) -> None:
    assert told.result["planted"]["label_flips"] not in told.result["redelivered"]["named"]
    assert told.result["worth"]["redelivered"]["attack_success"] < 0.1


def test_the_report_stands_alone(told: Told) -> None:
    page = (told.root / "report.html").read_text()
    assert "<title>admitted:" in page and "unwitnessed" not in page and "not looked at" in page
    assert "<script" not in page and not re.search(r"(src|href)=\"https?:", page)
    assert json.loads((told.root / "report.json").read_bytes())["verdict"]["verdict"] == "admitted"
    assert json.loads((told.root / "report.sarif").read_bytes())["version"] == "2.1.0"


def test_letters_hold_only_their_suppliers_rows(told: Told) -> None:
    assert told.made.letters
    for path in told.made.letters:
        supplier = path.parent.name
        said = json.loads(path.read_bytes())
        payload = json.loads(__import__("base64").b64decode(said["payload"]))
        assert payload["predicate"]["context"]["addressee"] == supplier
        own = {r.entry.path for r in told.made.screened.rows if r.supplier == supplier}
        assert {row["path"] for row in payload["predicate"]["rows"]} <= own


def test_a_decision_is_signed_counts_and_can_be_undone(told: Told) -> None:
    owner = told.shop.parties[OWNER]
    everything = list(rows.all_rows(owner))
    row = next(r for r in rows.select(owner, everything).rows if r.supplier != told.result["planted"]["label_flips"])
    before = rows.select(owner, everything).tree().digest
    slip, _ = review.newest_screening(owner)
    rows.decide(owner, [row.id], "reject", dataset=review.subject(slip))
    assert row.id in rows.select(owner, everything).aside
    rows.decide(owner, [row.id], "undo", dataset=review.subject(slip))
    assert rows.select(owner, everything).tree().digest == before


def papers(told: Told) -> tuple[Passport, Any, Any, Any]:
    """Passport, tree, the plant's pin without a mark, and its clock."""
    plant = told.shop.parties[PLANT]
    home = told.shop.parties.folder(PLANT)
    passport = Passport.from_bytes((home / "model.cmpass").read_bytes())
    pin = replace(verify.pinned(plant), size=0, root="")
    return passport, read_folder(home / "model"), pin, plant.now()


def test_the_plants_papers_hold(told: Told) -> None:
    passport, tree, pin, now = papers(told)
    verified = verify_passport(passport, tree, pin, now)
    assert verified.digest == tree.digest and verified.fresh_until
    assert Passport.from_bytes(passport.to_bytes()) == passport


def test_a_passport_does_not_name_suppliers(told: Told) -> None:
    text = (told.shop.parties.folder(PLANT) / "model.cmpass").read_bytes()
    passport = json.loads(unpacked(text))
    passport.pop("trust")  # the trust document names the parties; who delivered what must not show
    said = json.dumps(passport)
    said += "".join(base64.b64decode(p).decode() for p in re.findall(r'"payload": "([^"]+)"', said))
    assert "predicate:verdict" in said
    for named in ("predicate:delivery", "predicate:reception", "predicate:screening", "predicate:quarantine"):
        assert named not in said
    assert not [s for s in told.shop.truth.rows() if s[0] in said or s[1] in said]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda p: replace(p, statements=p.statements[1:]), LedgerRefused),
        (lambda p: replace(p, commitments=p.commitments[1:]), LedgerRefused),
        (lambda p: replace(p, policy=p.policy + b"\n"), PolicyRefused),
        (lambda p: replace(p, trust=p.trust[:1]), Refusal),
        (lambda p: replace(p, trust=p.trust[::-1]), TrustRefused),
        (lambda p: replace(p, verdict=p.statements[0]), Refusal),
        (lambda p: replace(p, verdict=replace(p.verdict, receipt=p.statements[0].receipt)), LedgerRefused),
        (lambda p: replace(p, verdict=replace(p.verdict, opening=p.statements[0].opening)), LedgerRefused),
    ],
    ids=["statement", "delivery", "policy", "old-trust", "trust-order", "verdict", "receipt", "opening"],
)
def test_a_passport_with_a_part_changed_is_refused(told: Told, change: Any, error: type[Refusal]) -> None:
    passport, tree, pin, now = papers(told)
    with pytest.raises(error):
        verify_passport(change(passport), tree, replace(pin, version=2), now)


def test_another_fingerprint_another_model_or_a_fork_is_refused(told: Told) -> None:
    passport, tree, pin, now = papers(told)
    with pytest.raises(TrustRefused):
        verify_passport(passport, tree, replace(pin, fingerprint="0" * 64), now)
    with pytest.raises(TreeRefused):
        verify_passport(passport, replace(tree, entries=tree.entries[1:], digest="1" * 64), pin, now)
    size = verify_passport(passport, tree, pin, now).checkpoint.size
    with pytest.raises(LedgerRefused, match="two histories"):
        verify_passport(passport, tree, replace(pin, size=size, root="2" * 64), now)
    shown = max(passport.consistency)
    with pytest.raises(LedgerRefused, match="does not begin with this tree"):
        verify_passport(passport, tree, replace(pin, size=shown, root="2" * 64), now)
    not_shown = next(n for n in range(size - 1, 0, -1) if n not in passport.consistency)
    with pytest.raises(LedgerRefused, match="ledger extends the one seen before"):
        verify_passport(passport, tree, replace(pin, size=not_shown, root="2" * 64), now)


def test_a_snapshot_that_ran_out_shows_no_freshness(told: Told) -> None:
    passport, tree, pin, now = papers(told)
    assert verify_passport(passport, tree, pin, now + timedelta(days=40)).fresh_until is None


def second_round(told: Told) -> Path:
    """Hand in what the model of the corrected rows needs; returns the trainer's folder."""
    home = told.shop.parties.folder(TRAINER) / "round-2"
    second = making.look_and_try(told.shop, home / "model", Tell())
    parsed = dsse.Envelope.from_bytes(verify.read_file(training.beside(home / "model")))
    making.enter(told.shop, [parsed, *second])
    approval = acts.approve(told.shop.parties[REVIEWER], home / "model", parsed, "second round")
    making.enter(told.shop, [approval])
    return home


def test_a_later_passport_extends_the_ledger_seen_before_and_a_revocation_counts(told: Told) -> None:
    """Release again after more entries; the plant's mark moves on. Then the owner revokes what it rests on."""
    owner, plant = told.shop.parties[OWNER], told.shop.parties[PLANT]
    trained = told.made.trained
    risk = told.shop.parties[RISK]
    waiver = acts.waive(risk, trained.tree.digest, "trained-from-admitted-rows", days=5, reason="the data moved on")
    making.enter(told.shop, [waiver])
    assert "ledger/quorum" in [
        r.id for r in release.judge(owner, trained.folder, small_policy()).verdict.rulings if not r.ok
    ]
    assert witnessing.ask(owner, owner.trust()).enough
    done = release.judge(owner, trained.folder, small_policy())
    # Round two changed the admitted rows, so this rule fails now, and it is none that a waiver lifts.
    assert [r.id for r in done.verdict.rulings if not r.ok] == ["trained-from-admitted-rows"]
    home = second_round(told)
    released = release.release(owner, home / "model", small_policy(), auditor=True)
    assert released.judged.admitted, [r.missing for r in released.judged.verdict.rulings if not r.ok]
    assert released.passport is not None
    pin = verify.pinned(plant)
    assert pin.size > 0
    later = verify.verify_model(home / "model", released.passport, pin, plant.now())
    assert later.checkpoint.size > pin.size
    opened = Passport.from_bytes(released.passport.read_bytes())
    assert opened.evidence is not None and opened.evidence["deliveries"]
    entry = next(s.index for s in later.shown if s.index is not None)
    snapshot = acts.snapshot(owner, revoke=[entry])
    with pytest.raises(TrustRefused, match="revoked"):
        verify.verify_model(home / "model", released.passport, replace(pin, snapshot=snapshot), plant.now())


def test_a_plain_run_says_so_and_is_refused_until_it_is_waived(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no bubblewrap the statement says `not hermetic`; a risk owner's waiver shows in the verdict."""
    monkeypatch.setattr("countermark.sandbox.bubblewrap.find", lambda: None)
    home = told.shop.parties.folder(TRAINER) / "round-2"
    trainer, owner = told.shop.parties[TRAINER], told.shop.parties[OWNER]
    plain = training.train(trainer, home / making.RECIPE, making.COMMAND, home / "plain", allow_plain=True)
    assert plain.said.level == "not hermetic" and plain.said.reasons
    making.enter(told.shop, [plain.envelope, *making.look_and_try(told.shop, plain.folder, Tell())])
    making.enter(told.shop, [making.approve(told.shop, plain, Tell())])
    first = release.judge(owner, plain.folder, small_policy())
    assert "training/hermetic" in [r.id for r in first.verdict.rulings if not r.ok]
    waiver = acts.waive(
        told.shop.parties[RISK], plain.tree.digest, "training/hermetic", days=10, reason="no bubblewrap there yet"
    )
    making.enter(told.shop, [waiver])
    second = release.judge(owner, plain.folder, small_policy())
    lifted = next(r for r in second.verdict.rulings if r.id == "training/hermetic")
    assert lifted.ok and lifted.waived and lifted.waived["party"] == RISK


def test_the_ledger_leads_to_its_root(told: Told) -> None:
    owner = told.shop.parties[OWNER]
    slips = book.entered(owner, *release.gather.__globals__["TYPES"])
    renewed, head = book.refreshed(owner, owner.trust(), slips)
    assert head.size >= len(renewed) > 40


def some_models(library: Path, out: Path) -> Path:
    """Every eighth model: to read 800 takes longer than to tell the story, and `test_factory_library` reads them all."""
    for path in sorted(p for p in library.rglob("*") if p.is_file())[::8]:
        target = out / path.relative_to(library)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return out


@pytest.mark.real
def test_the_story_on_real_part_models(tmp_path: Path) -> None:
    """Part models of real manufacturers, rendered here; `.ci/run` fetches them."""
    library = os.environ.get("COUNTERMARK_PARTS_LIBRARY", "")
    if not library or not Path(library).is_dir():
        pytest.skip("COUNTERMARK_PARTS_LIBRARY names no folder: benchmarks/fetch_parts_library.sh makes one")
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is absent: no run here can be hermetic")
    some = some_models(Path(library), tmp_path / "some-models")
    with ExitStack() as held:
        told = play(tmp_path / "demo", tmp_path / "cache", held, library=some)
    assert told.result["verdict"] == "admitted"
    assert told.result["parts"]["source"] == some.name
    planted = told.result["planted"]
    assert {n["supplier"] for n in told.result["named"]} <= {planted["backdoor"], planted["label_flips"]}
    assert planted["backdoor"] in {n["supplier"] for n in told.result["named"]}


def test_recall_composes_the_training_set_again_and_follows_it_to_the_plant(told: Told) -> None:
    owner = told.shop.parties[OWNER]
    cheat = told.result["planted"]["backdoor"]
    found = recall.recall(owner, supplier=cheat)
    model = next(m for m in found.models if m.model == read_folder(told.made.trained.folder).digest)
    assert model.exact and model.released and model.trainer == TRAINER
    assert PLANT in found.holders
    aside = rows.select(owner, list(rows.all_rows(owner))).aside
    assert not set(model.rows) & aside
    assert set(model.rows) < set(found.rows)
    assert found.not_looked_at == ()


def test_recall_of_rows_that_were_set_aside_reaches_no_model(told: Told) -> None:
    owner = told.shop.parties[OWNER]
    cheat = told.result["planted"]["backdoor"]
    aside = [r.id for r in rows.all_rows(owner) if r.supplier == cheat and r.id in rows.select(owner, [r]).aside]
    assert aside and recall.recall(owner, row_ids=aside).models == ()
    with pytest.raises(NothingToVerify):
        recall.recall(owner, row_ids=["0123456789ab/none.png"])


def test_a_release_under_a_quorum_needs_its_witnesses_and_then_says_so(told: Told, tmp_path: Path) -> None:
    """The last test of the module: it changes the project's trust document."""
    parties = told.shop.parties
    owner, plant = parties[OWNER], parties[PLANT]
    for name in (RISK, REVIEWER):
        own_keys.new_key(parties[name].space, "witness", "ed25519", None)
        keys = enrol.enrolment(parties[name]).keys
        document = trust_draft.draft(owner)
        trust_draft.save_draft(owner, document.with_party(replace(document.party(name), keys=keys)))
    parties.publish()
    parties.pin(PLANT, RISK, REVIEWER)
    keyed = {n: witnessing.key_of(parties[n], parties[n].trust()) for n in (RISK, REVIEWER)}
    lines = [f"witness {name} {key.vkey()}" for name, key in keyed.items()]
    text = "\n".join([*lines, f"group both all {RISK} {REVIEWER}", "quorum both", ""])
    trust_draft.name_quorum(owner, text)
    parties.publish()
    parties.pin(PLANT, RISK, REVIEWER)

    def carry(*names: str) -> bool:
        """Requests and answers travel as files, as for witnesses without a network."""
        trust = owner.trust()
        answers = [
            witnessing.answer(
                parties[n], witnessing.request(owner, trust, witnessing.seen(parties[n], trust).size).to_bytes()
            ).body
            for n in names
        ]
        return witnessing.ask(owner, trust, answers).enough

    model = shutil.copytree(second_round(told) / "model", tmp_path / "model")
    assert not release.release(owner, model, small_policy()).judged.admitted
    assert not carry(RISK) and carry(REVIEWER)
    with pytest.raises(LedgerRefused, match="not cosigned by the quorum yet"):
        release.release(owner, model, small_policy())
    assert carry(RISK, REVIEWER)
    done = release.release(owner, model, small_policy())
    assert done.judged.verdict.headline == "admitted" and done.passport is not None
    pin = verify.pinned(plant)
    seen = verify.verify_model(model, done.passport, pin, plant.now())
    assert seen.witnessed.startswith(f"witnessed by {REVIEWER}, {RISK} at ")
    assert seen.state == "admitted, witnessed"
    text = unpacked(done.passport.read_bytes())
    stripped = re.sub(rb"(\xe2\x80\x94 \S+/risk-office \S+?)\\n", b"", text)
    assert stripped != text
    done.passport.write_bytes(packed(stripped))
    with pytest.raises(LedgerRefused, match="not cosigned by the quorum"):
        verify.verify_model(model, done.passport, pin, plant.now())
