"""The attack scripts of the core, run: ordinary code is taken in or breaks, Countermark refuses and says why."""

from __future__ import annotations

from pathlib import Path

import hostile_documents
import hostile_folders
import hostile_parties
import pytest
from both_sides import Attack, show


def refused(attack: Attack) -> None:
    shown = show(attack)
    assert shown.refusal is not None, f"{attack.name}: Countermark took it"
    assert shown.refusal.what.isprintable() and shown.refusal.exit_code == 1
    assert shown.naive.startswith(("took it", "leaked")), shown.naive


def test_folders(tmp_path: Path) -> None:
    attacks = hostile_folders.attacks(tmp_path)
    assert len(attacks) == 12
    for attack in attacks:
        refused(attack)


@pytest.mark.parametrize("attack", hostile_documents.attacks(), ids=lambda a: a.name.replace(" ", "-"))
def test_documents(attack: Attack) -> None:
    refused(attack)


def test_parties(tmp_path: Path) -> None:
    attacks = hostile_parties.attacks(tmp_path)
    assert len(attacks) == 17
    for attack in attacks:
        refused(attack)
