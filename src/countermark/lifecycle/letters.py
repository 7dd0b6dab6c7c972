"""Letters about rows, as their addressee reads and answers them, and what suppliers answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark import dsse
from countermark.errors import StatementRefused, Unusable
from countermark.lifecycle import book, entitled
from countermark.lifecycle.deliveries import ID_DIGITS, admitted_trees
from countermark.lifecycle.desk import Desk, read_envelope
from countermark.passport.slip import Shown, Slip, addressed_to, verify
from countermark.statement.predicates.dispute import DISPUTE, Dispute
from countermark.statement.predicates.rows import LETTER, Letter
from countermark.statement.statement import Statement


@dataclass(frozen=True, slots=True)
class Disputed:
    """One row that its supplier says is right: why, when that was said, and the statement's digest."""

    row: str
    supplier: str
    says: str
    when: str
    statement: str


def read(desk: Desk, file: Path) -> tuple[Shown, Letter]:
    """A letter to this party: signature, project and addressee hold.

    Raises:
        StatementRefused: no letter of a data owner, or to somebody else. TrustRefused, SignatureRefused: it does not hold.
    """
    shown = addressed_to(verify(Slip(read_envelope(file)), desk.trust(), desk.now(), logged=False), desk.party)
    if shown.statement.predicate_type != LETTER or "data-owner" not in shown.party.roles:
        raise StatementRefused(f"{file.name} is no letter of a data owner", why=shown.statement.predicate_type)
    return shown, Letter.from_json(shown.statement.predicate)


def dispute(desk: Desk, file: Path, paths: Sequence[str], says: str) -> dsse.Envelope:
    """Sign that rows of a letter are right as delivered; to its sender, who enters it with `ledger add`.

    Args:
        paths: rows as the letter names them; all of them where empty. says: why, for the people who decide.

    Raises:
        Unusable: a row is not in the letter. StatementRefused: no words, or too many. As `read`.
    """
    shown, letter = read(desk, file)
    told = [path for path, _ in letter.rows]
    if strange := sorted(set(paths) - set(told)):
        raise Unusable(f"{strange[0]} is not in this letter", mend="`countermark letter FILE` lists its rows")
    chosen = tuple(path for path in told if path in paths or not paths)
    said = Dispute(desk.context(shown.party.id), shown.digest, letter.delivery, chosen, says)
    Dispute.from_json(said.to_json())
    return desk.sign(Statement(f"dispute by {desk.party}", letter.delivery, DISPUTE, said.to_json()))


def disputed(desk: Desk, left_out: list[str] | None = None) -> dict[str, Disputed]:
    """Rows that their suppliers dispute, by id, as the ledger holds it; the newest words about a row count.

    A party's words about rows of somebody else's delivery do not count.

    Args:
        left_out: takes a line for each statement that does not count.
    """
    slips = book.entered(desk, DISPUTE)
    if not slips:
        return {}
    owner = {digest: one.supplier for digest, one in admitted_trees(desk).items()}
    out = {}
    for shown in entitled.standing(slips, desk.trust(expired=True), desk.now(), left_out):
        said = Dispute.from_json(shown.statement.predicate)
        if owner.get(said.delivery) != shown.party.id:
            if left_out is not None:
                left_out.append(
                    f"statement {shown.digest[:16]} does not count: {shown.party.id} did not deliver these rows"
                )
            continue
        for path in said.rows:
            row = f"{said.delivery[:ID_DIGITS]}/{path}"
            out[row] = Disputed(row, shown.party.id, said.says, shown.when, shown.digest)
    return out
