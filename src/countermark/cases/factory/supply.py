"""Steps 1 to 3: photographs, parties, sabotage, deliveries, and what happens at the door."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from countermark import canonical
from countermark.cases.factory import parties as founding
from countermark.cases.factory import sabotage, watch
from countermark.cases.factory.parties import OWNER, PARTNER, WATCHERS, Parties
from countermark.cases.factory.photos import Plan
from countermark.cases.factory.tell import Tell
from countermark.formats.decode import Decoder
from countermark.keys.document import EVERYTHING
from countermark.lifecycle import contract as contracts
from countermark.lifecycle import deliver, enrol, receive, trust_draft, trust_sign
from countermark.lifecycle.contract import Contract, Door
from countermark.lifecycle.deliveries import Received

DELIVERY = "photos"
STRANGER = "bargain-bolts"


@dataclass(slots=True)
class Truth:
    """What was planted. Read by the story's last page and by measurements, never by a check.

    Attributes:
        backdoor, target: who plants the trigger, in which class. flipper: who permutes labels.
        planted, flipped: supplier's file paths. trigger: pattern and place.
    """

    backdoor: str
    target: str
    flipper: str
    trigger: sabotage.Trigger
    planted: set[str] = field(default_factory=set)
    flipped: set[str] = field(default_factory=set)

    def rows(self) -> set[tuple[str, str]]:
        """(supplier, path) of every planted row."""
        return {(self.backdoor, p) for p in self.planted} | {(self.flipper, p) for p in self.flipped}


@dataclass(slots=True)
class Supply:
    """Everybody after the deliveries.

    Attributes:
        parties: desks. contract: with the suppliers. truth: what was planted. answers: what the owner answered.
        photos: the untouched photographs. decoder: one confined child for all deliveries.
    """

    parties: Parties
    contract: Contract
    truth: Truth
    photos: Path
    decoder: Decoder
    answers: list[Received] = field(default_factory=list)

    def refused(self) -> list[Received]:
        """Deliveries that were turned away, in order."""
        return [a for a in self.answers if a.state == "refused"]


def open_shop(root: Path, photos: Path, plan: Plan, policy: bytes, seed: int, tell: Tell, held: ExitStack) -> Supply:
    """Make the parties, hand out the photographs, and let two suppliers cheat.

    Args:
        held: ends the witnesses and the confined reader of pictures.
    """
    parties, watchers = Parties(root / "parties"), (*WATCHERS, sorted(plan.scopes)[0])
    urls = watch.serve(parties, watchers, held)
    founding.found(
        parties, _scopes(plan), canonical.sha256_hex(policy), watchers,
        lambda origin: watch.policy(parties, origin, urls),
    )  # fmt: skip
    tell.command("countermark init manufacturer --role data-owner --role model-owner --ledger")
    tell.say(
        f"{len(parties.desks)} parties, fingerprint {parties.fingerprint[:16]}..., signed by {OWNER} and {PARTNER}"
    )
    tell.command("countermark witness serve")
    tell.say(
        f"{' and '.join((', '.join(watchers[:-1]), watchers[-1]))} watch the ledger; {watch.LEAST} of them must vouch for it"
    )
    (parties.folder(OWNER) / "contract.json").write_text(json.dumps(plan.contract(), indent=1))
    contract = contracts.parse((parties.folder(OWNER) / "contract.json").read_bytes())
    for supplier in plan.scopes:
        shutil.copytree(photos / supplier, parties.folder(supplier) / DELIVERY)
    shutil.copytree(photos / "test", parties.folder(OWNER) / "test")
    return Supply(parties, contract, _cheat(parties, plan, seed), photos, held.enter_context(Decoder()))


def _scopes(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Version 1 of the trust document gives the last supplier one class more than version 2 will."""
    scopes = dict(plan.scopes)
    last = sorted(scopes)[-1]
    scopes[last] = tuple(sorted({*scopes[last], _extra(plan, last)}))
    return scopes


def _extra(plan: Plan, supplier: str) -> str:
    return next(p.label for p in plan.parts if p.label not in plan.scopes[supplier])


def _cheat(parties: Parties, plan: Plan, seed: int) -> Truth:
    rng = np.random.default_rng([seed, 5])
    backdoor, target, flipper = sabotage.choose_attackers(plan.scopes, rng)
    truth = Truth(backdoor, target, flipper, sabotage.trigger(rng))
    truth.planted = set(sabotage.clean_label_backdoor(parties.folder(backdoor) / DELIVERY, target, truth.trigger))
    truth.flipped = set(sabotage.flip_labels(parties.folder(flipper) / DELIVERY, rng))
    return truth


def deliver_all(supply: Supply, plan: Plan, tell: Tell) -> None:
    """Everybody delivers; one delivery is altered on its way, one comes from a stranger, one exceeds its scope."""
    parties = supply.parties
    suppliers = sorted(plan.scopes)
    altered = next(s for s in suppliers if s not in (supply.truth.backdoor, supply.truth.flipper))
    tell.command(f"countermark deliver photos --as {altered} --to {OWNER}")
    _exceed_scope(supply, plan, suppliers[-1], tell)
    for done, supplier in enumerate(suppliers, 1):
        folder = parties.folder(supplier) / DELIVERY
        if not (folder.parent / f"{DELIVERY}.cmdelivery").exists() or supplier == suppliers[-1]:
            deliver.deliver(parties[supplier], folder, addressee=OWNER)
        if supplier == altered:
            _alter(supply, folder, tell)
        take(supply, folder)
        tell.progress("receive", done, len(suppliers))
    _stranger(supply, tell)


def take(supply: Supply, folder: Path) -> Received:
    """`countermark receive`, with one decoder for all deliveries."""
    answer = receive.receive(supply.parties[OWNER], folder, examine=Door(supply.contract, supply.decoder))
    supply.answers.append(answer)
    return answer


def _alter(supply: Supply, folder: Path, tell: Tell) -> None:
    """Somebody changes one picture on the way; the supplier then sends the folder again, as it was signed."""
    victim = sorted(folder.glob("*/*.png"))[0]
    good = victim.read_bytes()
    victim.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    answer = take(supply, folder)
    tell.refused(f"{answer.supplier}, altered in transit", answer.reasons)
    victim.write_bytes(good)


def _exceed_scope(supply: Supply, plan: Plan, supplier: str, tell: Tell) -> None:
    """A supplier that has only seen trust version 1 delivers a class that version 2 took from it."""
    parties, extra = supply.parties, _extra(plan, supplier)
    folder = parties.folder(supplier) / DELIVERY
    source = next(s for s in plan.scopes if extra in plan.scopes[s])
    shutil.copytree(supply.photos / source / extra, folder / extra)
    deliver.deliver(parties[supplier], folder, addressee=OWNER)
    document = trust_draft.draft(parties[OWNER])
    party = document.party(supplier)
    narrowed = trust_draft.replace_scope(party, plan.scopes[supplier])
    trust_draft.save_draft(parties[OWNER], document.with_party(narrowed))
    parties.publish()
    answer = take(supply, folder)
    tell.refused(f"{answer.supplier}, beyond its scope", answer.reasons)
    shutil.rmtree(folder / extra)
    parties.pin(*(p for p in parties.desks if p != OWNER))


def _stranger(supply: Supply, tell: Tell) -> None:
    """Somebody who was never enrolled, with keys and a trust document of its own, delivers all the same."""
    parties = supply.parties
    stranger = founding.Parties(parties.root.parent / "elsewhere")
    desk = stranger.join(STRANGER, "Bargain Bolts", ("data-owner",))
    rival = stranger.join(OWNER, "Not the manufacturer", ("data-owner",))
    enrolled = [
        enrol.enrolment(desk).party(("data-owner",), (EVERYTHING,)),
        enrol.enrolment(rival).party(("data-owner",), (EVERYTHING,)),
    ]
    trust_draft.first_draft(desk, founding.PROJECT, enrolled, threshold=1, ledger=STRANGER)
    trust_sign.sign_draft(desk)
    folder = stranger.folder(STRANGER) / DELIVERY
    source = next(_pictures(supply.photos))
    (folder / source.parent.name).mkdir(parents=True)
    shutil.copy(source, folder / source.parent.name / source.name)
    deliver.deliver(desk, folder, addressee=OWNER)
    answer = take(supply, folder)
    tell.refused("a stranger", answer.reasons)


def _pictures(photos: Path) -> Iterator[Path]:
    return (p for p in sorted(photos.glob("*/*/*.png")) if p.parts[-3] != "test")
