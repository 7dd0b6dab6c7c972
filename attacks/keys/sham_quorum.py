"""A quorum of witnesses that is nobody's but the operator's, or one party's, under several names.

    python attacks/keys/sham_quorum.py

The ordinary side compares names as they are written, and counts keys. Exit code 0 when Countermark refused every one.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from both_sides import Attack, report
from core_world import OTHER, OWNER, SUPPLIER, World, private_key

from countermark.keys import quorum
from countermark.keys.cosigner import ED25519, CosignerKey
from countermark.keys.document import EnrolledKey, Party, TrustDocument, enrolment_bytes
from countermark.ledger.note import NoteKey
from countermark.lifecycle import trust_draft

OPERATOR = "Acme GmbH"
DISGUISES = {
    "in capitals": "ACME GMBH", "with a space behind": "Acme GmbH ", "with a full stop": "Acme GmbH.",
    "with a mark that nobody sees": "Acme\N{ZERO WIDTH SPACE} GmbH", "with a soft hyphen": "Ac\N{SOFT HYPHEN}me GmbH",
    "in wide letters": "\N{FULLWIDTH LATIN CAPITAL LETTER A}cme GmbH", "with two spaces": "Acme  GmbH",
    "with a Cyrillic letter": "\N{CYRILLIC CAPITAL LETTER A}cme GmbH", "with a Greek letter": "Acme Gmb\N{GREEK CAPITAL LETTER ETA}",
    "in Cyrillic letters": "\N{CYRILLIC CAPITAL LETTER A}\N{CYRILLIC CAPITAL LETTER ES}\N{CYRILLIC CAPITAL LETTER EM}\N{CYRILLIC CAPITAL LETTER IE} GMBH",
}  # fmt: skip


def witness(party: str, number: int) -> EnrolledKey:
    """A witness key with its proof of possession."""
    key = private_key(f"{party}-{number}", "witness")
    return EnrolledKey(key.public, key.sign(enrolment_bytes(party, key.public)))


def line(party: str, number: int) -> str:
    """The policy's line for that key."""
    key = CosignerKey(f"witness.invalid/{party}/{number}", ED25519, witness(party, number).key.raw())
    return f"witness {party}{number} {key.vkey()}\n"


def drafted(
    world: World, rule: str, keys: dict[str, int], organisations: dict[str, str] | None = None
) -> TrustDocument:
    """A draft in which parties have so many witness keys, and belong to these organisations."""

    def changed(party: Party) -> Party:
        fresh = tuple(witness(party.id, n) for n in range(keys.get(party.id, 0)))
        organisation = (organisations or {}).get(party.id, party.organisation)
        return replace(party, keys=(*party.keys, *fresh), organisation=organisation)

    lines = "".join(line(party, n) for party, count in keys.items() for n in range(count))
    draft = trust_draft.draft(world[OWNER])
    return replace(draft, parties=tuple(map(changed, draft.parties)), quorum=lines + rule)


def counts_names(document: TrustDocument, seen: Sequence[str]) -> str:
    """Ordinary code: enough lines are there, and none is by who calls himself exactly as the operator does."""
    operator = document.party(document.ledger_operator).organisation
    others = [p.organisation for p in document.parties if p.id != document.ledger_operator]
    rule = quorum.parse(document.quorum)
    return f"enough: {rule.satisfied(seen)}, of others: {operator not in others}"


def attacks(root: Path) -> list[Attack]:
    """Every sham quorum, as an owner would be asked to sign it."""
    world = World.make(root / "world")
    out = []

    def attack(name: str, document: TrustDocument, seen: Sequence[str]) -> None:
        out.append(Attack(name, lambda: counts_names(document, seen), document.check))

    for how, name in DISGUISES.items():
        orgs = {OWNER: OPERATOR, SUPPLIER: name}
        attack(
            f"the operator's own organisation {how}",
            drafted(world, f"quorum {SUPPLIER}0", {SUPPLIER: 1}, orgs),
            ["acme0"],
        )
    two = f"group both all {SUPPLIER}0 {SUPPLIER}1\nquorum both"
    attack("one party with two keys", drafted(world, two, {SUPPLIER: 2}), ["acme0", "acme1"])
    most = f"group most 2 {SUPPLIER}0 {SUPPLIER}1 {OTHER}0\nquorum most"
    attack(
        "two of three, two of which are one party's", drafted(world, most, {SUPPLIER: 2, OTHER: 1}), ["acme0", "acme1"]
    )
    elsewhere = NoteKey("another.invalid/log", bytes(range(32))).vkey()
    attack("a policy for another log", drafted(world, f"log {elsewhere}\nquorum {SUPPLIER}0", {SUPPLIER: 1}), ["acme0"])
    return out


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(report(attacks(Path(folder))))
