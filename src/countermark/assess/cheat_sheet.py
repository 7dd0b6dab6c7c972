"""The cheat sheet: what an auditor asks of a project that learns from others' data, standard and advanced.

After section 5 of "Securing the ML Lifecycle" (IIC Journal of Innovation, 2022); groups and levels are that
paper's, the questions are put in our words. Nobody types an answer in: each is looked up in the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from countermark.assess import facts
from countermark.assess.look import Fact, Look
from countermark.assess.matrix import GUARD, LICENCE, SEALING

GROUPS = ("organisation", "training data", "preprocessing and training", "deployment and operation")
Level = Literal["standard", "advanced"]


@dataclass(frozen=True, slots=True)
class Question:
    """A question, how to look the answer up, and what would show it."""

    id: str
    group: str
    level: Level
    text: str
    look: Callable[[Look], Fact]
    would_show: str


def _not_yet(because: str) -> Callable[[Look], Fact]:
    return lambda _look: facts.nothing(because)


_ORG, _DATA, _TRAIN, _RUN = GROUPS

QUESTIONS: tuple[Question, ...] = (
    Question("parties", _ORG, "standard", "Is everybody who touches data, code or model named, with a role and a key?", facts.parties, "a trust document signed by the owners"),
    Question("duties", _ORG, "standard", "Are training, reviewing and granting exceptions kept apart?", facts.apart, "an approval by a reviewer who is not the trainer"),
    Question("policy", _ORG, "standard", "Is it written down what must be shown before a release?", facts.written_policy, "a policy whose digest the trust document names"),
    Question("exceptions", _ORG, "advanced", "Are exceptions signed, limited in time and visible?", facts.exceptions, "waivers in the ledger"),
    Question("revocation", _ORG, "advanced", "Can trust in a key or statement be withdrawn, with fresh word of it?", facts.revocable, "a revocation snapshot, `countermark trust snapshot`"),
    Question("history", _ORG, "advanced", "Would it be seen if somebody rewrote this history?", facts.witnessed, "a quorum of witnesses with one outside the operator's organisation"),
    Question("origin", _DATA, "standard", "Is it known where every row comes from?", facts.origin, "signed deliveries within each supplier's scope"),
    Question("transmission", _DATA, "standard", "Did the data arrive as they were sent?", facts.unchanged, "signed deliveries"),
    Question("provenance", _DATA, "advanced", "Can provenance be proven without trusting network or storage?", facts.receipts, "statements with receipts from row to model"),
    Question("poisoning", _DATA, "advanced", "Could the data be poisoned, and would it be seen?", facts.poisoning, "a screening of all rows by more kinds of checks, and a poisoning trial on the model"),
    Question("secrecy", _DATA, "advanced", "Are the data a trade secret, and kept as one?", _not_yet("who may read the data is not among the evidence"), SEALING),
    Question("setup", _TRAIN, "standard", "Are code, parameters and set-up fixed and protected?", facts.recipe, "a hermetic training, reproduced by another party"),
    Question("exact-data", _TRAIN, "standard", "Was the model trained from exactly the admitted data?", facts.exact_data, "a training statement that names the admitted dataset"),
    Question("attested", _TRAIN, "advanced", "Do the software and its drivers come with proof of what they are?", facts.environment, "an attested training environment"),
    Question("robustness", _TRAIN, "advanced", "Was the model tested against adversarial input?", facts.tested, "evasion trials, white-box ones too"),
    Question("preprocessing", _TRAIN, "advanced", "Could an attacker who knows the preprocessing use it?", facts.scaling, "the check data/image-scaling"),
    Question("file", _RUN, "standard", "Is the file that runs the file that was judged, and safe to load?", facts.safe_file, "an inspection, and `countermark verify` where it runs"),
    Question("access", _RUN, "standard", "Is it known where the model runs, and who may ask it?", facts.guarded, GUARD),
    Question("exchange", _RUN, "advanced", "Are queries and answers protected end to end?", facts.guarded, GUARD),
    Question("copying", _RUN, "advanced", "Is it known how well the model can be copied through its answers?", facts.extraction, "extraction trials with more queries and other attacks"),
    Question("licence", _RUN, "advanced", "Is use outside the licence prevented, not only forbidden?", facts.prevented, LICENCE),
)  # fmt: skip
