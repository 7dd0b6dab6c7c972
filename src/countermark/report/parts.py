"""Parts of the page, one small value each: suppliers, findings, statements, trials, figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from countermark.finding import alike
from countermark.policy.gates import out_of_the_data, set_aside
from countermark.policy.shape import table, tables, text, texts
from countermark.report.plain import count
from countermark.report.view import Report


@dataclass(frozen=True, slots=True)
class Supplier:
    """One delivery of one supplier, and what screening said of the supplier.

    Attributes:
        state: admitted, refused or replaced. aside: of its rows, those set aside. named: why it was named, or empty.
        q: its p-value after correction, or None. statement: its digest; of the answer where that was followed by another.
        then: what came after a refusal, or empty.
    """

    name: str
    sequence: int
    state: str
    rows: int
    classes: int
    aside: int
    named: str
    q: float | None
    reasons: tuple[str, ...]
    statement: str
    signature: str
    then: str = ""


def suppliers(report: Report) -> list[Supplier]:
    """Refused deliveries first, also those admitted later, then suppliers that were named, then all others by name."""
    named = {text(n.get("supplier")): n for n in tables(report.stage("screening").get("named"))}
    aside = out_of_the_data(report.evidence)
    before = [
        d | {"statement": d.get("answer"), "state": "refused"} for d in tables(report.evidence.get("refused_before"))
    ]
    out = [_supplier(d, named, aside) for d in (*before, *tables(report.evidence.get("deliveries")))]
    return sorted(out, key=lambda s: (s.state != "refused", not s.named, s.name, s.sequence))


def _supplier(delivery: dict[str, Any], named: dict[str, dict[str, Any]], aside: frozenset[str]) -> Supplier:
    name, state = text(delivery.get("supplier")), text(delivery.get("state"))
    mark = table(named.get(name)) if state != "refused" else {}
    prefix = text(delivery.get("statement"))[:12] + "/"
    own = sum(row.startswith(prefix) for row in aside) if len(prefix) > 1 and state != "refused" else 0
    q = mark.get("q")
    return Supplier(
        name, _whole(delivery.get("sequence")), state, _whole(delivery.get("rows")), _whole(delivery.get("classes")), own,
        (text(mark.get("why")) or "it disagrees with all others") if mark else "", float(q) if isinstance(q, int | float) else None,
        tuple(texts(delivery.get("reasons"))), text(delivery.get("statement")), text(delivery.get("signature")),
        text(delivery.get("then")),
    )  # fmt: skip


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding for people: its fields, its pictures, whether its rows are out of the data, and how many others say the same."""

    fields: dict[str, Any]
    where: dict[str, Any]
    rows: tuple[str, ...]
    pictures: tuple[str, ...]
    left: int
    others: int = 0
    relabelled: int = 0

    @property
    def settled(self) -> str:
        """What became of its rows."""
        if not self.rows:
            return ""
        if self.left:
            return f"{self.left} of {len(self.rows)} rows are still in the data"
        out = len(self.rows) - self.relabelled
        return (
            f"{out} rows set aside, {self.relabelled} given another class" if self.relabelled else "all rows set aside"
        )


def findings(report: Report) -> list[Seen]:
    """All findings, worst first."""
    settled, aside = set_aside(report.evidence), out_of_the_data(report.evidence)
    out = []
    for found in report.findings():
        where = table(found.get("where"))
        rows = tuple(texts(where.get("rows")))
        pictures = tuple(filter(None, (report.picture(x) for x in texts(found.get("exhibits"))[:8])))
        relabelled = sum(r in settled and r not in aside for r in rows)
        out.append(Seen(found, where, rows, pictures, sum(r not in settled for r in rows), relabelled=relabelled))
    return out


def idle(report: Report) -> list[str]:
    """Checks of model files that passed because the model has no file of their kind."""
    return [
        name for name, outcome in report.outcomes().items()
        if name.startswith("model/") and outcome.get("outcome") == "passed"
        and [m.get("value") for m in tables(outcome.get("measures")) if m.get("name") == "files"] == [0]
    ]  # fmt: skip


def grouped(report: Report) -> list[Seen]:
    """The worst finding of each group (`finding.alike`), worst first."""
    groups: dict[tuple[str, ...], list[Seen]] = {}
    for seen in findings(report):
        said = [text(seen.fields.get(name)) for name in ("check", "rule", "severity")]
        where = [text(seen.where.get(name)) for name in ("supplier", "label", "path")]
        groups.setdefault(alike(*said, *where), []).append(seen)
    return [replace(several[0], others=len(several) - 1) for several in groups.values()]


@dataclass(frozen=True, slots=True)
class Statement:
    """A line of the register: what was said, by whom, when, and where the ledger holds it."""

    kind: str
    digest: str
    signer: str
    time: str
    time_kind: str
    witnessed_by: str
    index: int | None


def statements(report: Report) -> list[Statement]:
    """Every statement that the evidence rests on, deliveries last, each once."""
    evidence = report.evidence
    listed: list[tuple[str, dict[str, Any]]] = [(s, report.stage(s)) for s in ("screening", "training", "inspection")]
    listed += [("trial", table(t)) for t in report.stage("trials").values()]
    for kind in ("quarantine", "decision", "approval", "waiver"):
        listed += [(kind, item) for item in tables(evidence.get(f"{kind}s"))]
    listed += [("revocations", report.stage("revocations"))]
    listed += [("delivery", d) for d in tables(evidence.get("deliveries")) if d.get("state") != "refused"]
    out = {
        item.get("statement"): _statement(kind, item) for kind, item in reversed(listed) if text(item.get("statement"))
    }
    return list(reversed(out.values()))


def _statement(kind: str, item: dict[str, Any]) -> Statement:
    index = table(item.get("receipt")).get("index")
    return Statement(
        kind, text(item.get("statement")), text(item.get("signer")), text(item.get("time")), text(item.get("time_kind")), text(item.get("witnessed_by")),
        index if type(index) is int else None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows came, and what became of them."""

    delivered: int
    aside: int
    trained: int | None

    @property
    def kept(self) -> int:
        """Rows that training may see."""
        return self.delivered - self.aside


def rows(report: Report) -> Rows:
    """Counted over the admitted deliveries."""
    admitted = [d for d in tables(report.evidence.get("deliveries")) if d.get("state") == "admitted"]
    prefixes = {text(d.get("statement"))[:12] for d in admitted}
    aside = sum(row.split("/", 1)[0] in prefixes for row in out_of_the_data(report.evidence))
    trained = table(report.stage("training").get("metrics")).get("train_rows")
    return Rows(sum(_whole(d.get("rows")) for d in admitted), aside, trained if type(trained) is int else None)


def _noun(number: int, one: str, more: str) -> str:
    return one if number == 1 else more


def figures(report: Report) -> list[tuple[str, str, str]]:
    """(number, label, tone) for the head of the page."""
    every = tables(report.evidence.get("deliveries"))
    came = rows(report)
    refused = sum(d.get("state") == "refused" for d in every) + len(tables(report.evidence.get("refused_before")))
    named = len(tables(report.stage("screening").get("named")))
    rules = report.rules()
    failing = sum(r.get("ok") is not True for r in rules)
    waived = sum(bool(r.get("waived")) for r in rules)
    admitted = len({text(d.get("supplier")) for d in every if d.get("state") == "admitted"})
    return [
        (str(admitted), _noun(admitted, "supplier admitted", "suppliers admitted"), ""),
        (str(refused), _noun(refused, "delivery refused at the door", "deliveries refused at the door"), "warn" if refused else ""),
        (str(named), _noun(named, "supplier named by screening", "suppliers named by screening"), "warn" if named else ""),
        (f"{count(came.aside)} of {count(came.delivered)}", "rows set aside", "warn" if came.aside else ""),
        (f"{len(rules) - failing} of {len(rules)}", "rules hold" + (f", {waived} by waiver" if waived else ""), "bad" if failing else "good"),
        (f"{report.assessment.counts()['shown']} of {len(report.assessment.cheat_sheet)}", "audit questions shown", ""),
    ]  # fmt: skip
