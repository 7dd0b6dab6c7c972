"""A canary test as a signed statement about the model, or about the answers that were tested."""

from __future__ import annotations

from pathlib import Path

from countermark import dsse
from countermark.artefact.folder import read_folder
from countermark.errors import TreeRefused
from countermark.lifecycle.canary_test import Tested
from countermark.lifecycle.desk import Desk
from countermark.statement.predicates.canary import CANARY_TEST, CanaryTest
from countermark.statement.statement import EVERYBODY, Statement
from countermark.tracing.canary import after_tries


def sign(desk: Desk, tested: Path, done: Tested, rate: float, cannot_tell: tuple[str, ...]) -> dsse.Envelope:
    """Sign what a test came to.

    Args:
        tested: the model's folder, or the file of answers. rate: from which p the model is said to know the delivered halves.

    Raises:
        TreeRefused: the model changed meanwhile.
    """
    tree, lots = read_folder(tested), done.lots
    if done.model not in (None, tree.digest):
        raise TreeRefused(f"{tested.name} changed while it was tested", mend="test a copy that nobody writes to")
    said = CanaryTest(
        desk.context(EVERYBODY), lots.p, after_tries(lots.p), rate, lots.pairs, lots.decided, lots.better, done.left, done.delivery,
        done.commitment, done.model is None, cannot_tell,
    )  # fmt: skip
    predicate = CanaryTest.from_json(said.to_json()).to_json()
    return desk.sign(Statement(tested.name, tree.digest, CANARY_TEST, predicate))
