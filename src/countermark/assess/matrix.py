"""SPIE x CIA over the four assets: which threat breaks which property of which asset, and what stands against it.

Stealing, poisoning, inference, evasion; confidentiality, integrity, availability ("Securing the ML Lifecycle", IIC
Journal of Innovation, 2022, section 5). The sentences are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from countermark.assess import facts
from countermark.assess.look import Fact, Look

ASSETS = ("training data", "training configuration", "trained model", "queries and results")
Property = Literal["confidentiality", "integrity", "availability"]
Kind = Literal["stealing", "poisoning", "inference", "evasion"]
PROPERTIES: tuple[Property, ...] = ("confidentiality", "integrity", "availability")
KINDS: tuple[Kind, ...] = ("stealing", "poisoning", "inference", "evasion")


@dataclass(frozen=True, slots=True)
class Threat:
    """One entry of the matrix: what could happen, how to see what stands against it, and what else would show it."""

    asset: str
    property: Property
    kind: Kind
    what: str
    look: Callable[[Look], Fact]
    would_show: str


def _not_yet(because: str) -> Callable[[Look], Fact]:
    return lambda _look: facts.nothing(because)


_DATA, _RECIPE, _MODEL, _QUERY = ASSETS
SEALING = "a sealed container with the recipients' keys, and its manifest in the ledger"
MEMBERS = "a membership inference trial, or training under differential privacy"
LICENCE = "a licence for the sealed model, bound to a host (`countermark license grant MODEL --asset MODEL.cmsealed --host KIND`), and a guard that serves under it (`countermark serve --license FILE`)"
GUARD = "a guard in front of the model: a signed delegation, and answers that the client verified"

THREATS: tuple[Threat, ...] = (
    Threat(_DATA, "confidentiality", "stealing", "copied on the way or in storage", _not_yet("nothing shows that the deliveries were sealed"), SEALING),
    Threat(_DATA, "confidentiality", "inference", "recovered from the model's answers", _not_yet("no such trial is among the evidence"), MEMBERS),
    Threat(_DATA, "integrity", "poisoning", "altered between supplier and owner", facts.unchanged, "a signature by each supplier"),
    Threat(_DATA, "integrity", "poisoning", "poisoned or mislabelled by a supplier", facts.poisoning, "a screening of all rows by more kinds of checks, and a poisoning trial on the model"),
    Threat(_DATA, "integrity", "evasion", "hidden behind image scaling", facts.scaling, "the check data/image-scaling"),
    Threat(_DATA, "availability", "poisoning", "rows missing or too many of a kind", facts.counts, "a contract, and the check data/contract"),
    Threat(_RECIPE, "confidentiality", "stealing", "recipe or preprocessing observed", _not_yet("the recipe is named by digest, not kept secret"), SEALING),
    Threat(_RECIPE, "integrity", "poisoning", "code, parameters or libraries replaced", facts.recipe, "a hermetic training, reproduced by another party"),
    Threat(_RECIPE, "integrity", "poisoning", "trained from other rows than admitted", facts.exact_data, "a training statement that names the admitted dataset"),
    Threat(_RECIPE, "availability", "poisoning", "a training that nobody can repeat", facts.environment, "a reproduction of the run by another party"),
    Threat(_MODEL, "confidentiality", "stealing", "copied through its answers, or as a file", facts.extraction, "an extraction trial, and a sealed model with leases"),
    Threat(_MODEL, "confidentiality", "stealing", "used outside its licence", facts.licensed, LICENCE),
    Threat(_MODEL, "integrity", "poisoning", "swapped for another model", facts.same_model, "training, approval and verdict that name the file"),
    Threat(_MODEL, "integrity", "poisoning", "a file that runs code when loaded", facts.safe_file, "an inspection that proves every byte"),
    Threat(_MODEL, "integrity", "evasion", "made to see something else", facts.evasion, "evasion trials of several kinds, white-box ones too"),
    Threat(_MODEL, "availability", "poisoning", "made useless by bad data", facts.quality, "a test set that its owner signed, and the accuracy on it"),
    Threat(_QUERY, "confidentiality", "stealing", "queries or results read on the way", _not_yet("how the model is reached is not among the evidence"), "a guard with TLS"),
    Threat(_QUERY, "confidentiality", "inference", "membership inferred from results", _not_yet("no such trial is among the evidence"), MEMBERS),
    Threat(_QUERY, "integrity", "poisoning", "results altered on the way", facts.guarded, GUARD),
    Threat(_QUERY, "availability", "evasion", "answers withheld or flooded out", _not_yet("nothing here measures it"), "rate limits and monitoring at the guard"),
)  # fmt: skip
