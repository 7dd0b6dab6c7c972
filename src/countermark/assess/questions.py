"""The questions, as data: what shows each, and what would show it where nothing does.

After the cheat sheet and the threat table of "Securing the ML Lifecycle" (IIC Journal of Innovation, 2022), in our own
words. `shows` names evidence: a root field, ``rule:ID`` (a ruling that holds), or ``check:ID`` / ``trial:ID``.
"""

from __future__ import annotations

from dataclasses import dataclass

ASSETS = ("training data", "training configuration", "trained model", "queries and results")
THREATS = ("stealing", "poisoning", "inference", "evasion")
PROPERTIES = ("confidentiality", "integrity", "availability")


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the cheat sheet.

    Attributes:
        id, part: place in the sheet. level: "standard" or "advanced". text: the question.
        shows: all of these must be there for `shown`, some for `partly`. would: what would show it.
    """

    id: str
    part: str
    level: str
    text: str
    shows: tuple[str, ...]
    would: str


def _q(part: str, level: str, text: str, shows: tuple[str, ...], would: str) -> Question:
    return Question("", part, level, text, shows, would)


_SHEET = (
    _q("organisation", "standard", "Are the stakeholders named, with roles and keys?", ("project",), "a signed trust document"),
    _q("organisation", "standard", "Do several owners have to agree on who is trusted?", ("project",), "a threshold above one"),
    _q("organisation", "advanced", "Are exceptions signed, limited in time, and shown?", ("waivers",), "a waiver, where one is needed; none is also an answer"),
    _q("organisation", "advanced", "Can revoked parties and statements be told?", ("revocations",), "`countermark trust snapshot`"),
    _q("training data", "standard", "Is it shown who supplied which data?", ("deliveries",), "signed deliveries"),
    _q("training data", "standard", "Was the data unchanged between supplier and owner?", ("deliveries", "rule:signed/deliveries"), "`countermark receive`"),
    _q("training data", "standard", "Was the data checked for wrong labels and duplicates?", ("check:data/label-errors", "check:data/duplicates"), "`countermark screen`"),
    _q("training data", "advanced", "Was the data searched for poison, supplier by supplier?", ("check:data/cell-difference", "check:data/recurring-patch", "check:data/leave-one-supplier-out"), "`countermark screen`"),
    _q("training data", "advanced", "Can an image-scaling attack be excluded?", ("check:data/image-scaling",), "screening of pictures in their own size"),
    _q("training data", "advanced", "Is the data confidential on its way and at rest?", (), "sealed deliveries (not in this version)"),
    _q("preprocessing and training", "standard", "Is it shown which data, code and parameters made the model?", ("training", "rule:trained-from-admitted-rows"), "`countermark train`"),
    _q("preprocessing and training", "standard", "Was the environment recorded?", ("training",), "`countermark train`"),
    _q("preprocessing and training", "advanced", "Could training read nothing but its declared inputs?", ("rule:training/hermetic",), "`countermark train` where bubblewrap works"),
    _q("preprocessing and training", "advanced", "Was the run reproduced by somebody else, or attested?", ("hermetic:reproduced",), "a reproduction by a second party"),
    _q("preprocessing and training", "advanced", "Was the model's robustness tested?", ("trial:evasion/square",), "`countermark trial`"),
    _q("deployment and operation", "standard", "Is the shipped file the inspected file, and does it load without running code?", ("inspection",), "`countermark inspect`"),
    _q("deployment and operation", "standard", "Did somebody other than the trainer approve the model?", ("rule:approved-by-reviewer",), "`countermark approve`"),
    _q("deployment and operation", "standard", "Is access to the deployed model controlled?", (), "the guard's log (shown by `countermark serve`, not by a passport)"),
    _q("deployment and operation", "advanced", "How faithful a copy can a customer steal by queries?", ("trial:stealing/extraction",), "`countermark trial`"),
    _q("deployment and operation", "advanced", "How much can be inferred about members of the training data?", (), "a membership trial (not in this version)"),
    _q("deployment and operation", "advanced", "Is the use of the model bound by a licence?", (), "a licence (not in this version)"),
)  # fmt: skip

QUESTIONS = tuple(
    Question(f"{q.part.split()[0][:3]}-{n:02d}", q.part, q.level, q.text, q.shows, q.would)
    for n, q in enumerate(_SHEET, 1)
)

MATRIX: dict[tuple[str, str], tuple[str, ...]] = {
    ("training data", "stealing"): (),
    ("training data", "poisoning"): ("deliveries", "check:data/label-errors", "check:data/cell-difference", "check:data/recurring-patch"),
    ("training data", "inference"): (),
    ("training data", "evasion"): ("check:data/image-scaling",),
    ("training configuration", "stealing"): ("rule:training/hermetic",),
    ("training configuration", "poisoning"): ("training", "rule:trained-from-admitted-rows", "rule:training/hermetic"),
    ("training configuration", "inference"): (),
    ("training configuration", "evasion"): (),
    ("trained model", "stealing"): ("trial:stealing/extraction",),
    ("trained model", "poisoning"): ("inspection", "rule:approved-by-reviewer"),
    ("trained model", "inference"): (),
    ("trained model", "evasion"): ("trial:evasion/square",),
    ("queries and results", "stealing"): (),
    ("queries and results", "poisoning"): (),
    ("queries and results", "inference"): (),
    ("queries and results", "evasion"): (),
}  # fmt: skip
"""What speaks to each threat against each asset; an empty entry is `not shown`, and is printed as that."""

PROTECTS = {
    "stealing": "confidentiality",
    "inference": "confidentiality",
    "poisoning": "integrity",
    "evasion": "integrity",
}
"""The property that a threat is mainly against (availability is harmed by crude poisoning; nothing here tests it)."""
