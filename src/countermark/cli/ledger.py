"""`countermark ledger`: the project's append-only log, at the party that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._answer import FINE, FOUND, Answer, Pairs, Refused, Table
from countermark.cli._command import PATH, command, with_desk, with_view
from countermark.cli._progress import Bar
from countermark.cli._show import View, count, safe
from countermark.errors import Refusal

if TYPE_CHECKING:
    from countermark.keys.trust import Trust
    from countermark.lifecycle.care import Trouble
    from countermark.lifecycle.desk import Desk
    from countermark.passport.slip import Slip

SUFFIX = ".slip.json"


@click.group()
def ledger() -> None:
    """The project's append-only log of commitments, at the party that keeps it."""


@command("add", group=ledger, examples=[
    "countermark ledger add model.training.json inspection.json trials.json approval.json",
    "countermark ledger add waiver.json --slips slips/",
])  # fmt: skip
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option("--slips", type=PATH, metavar="DIR", help="Write each statement with its receipt here, to hand back.")
@with_desk
def add(files: tuple[Path, ...], slips: Path | None, desk: Desk) -> Answer:
    """Enter signed statements that other parties handed in; all of them, or none.

    Adding one twice is harmless: it keeps its first receipt.
    """
    from countermark.lifecycle import book
    from countermark.lifecycle.desk import read_envelope

    with desk.space.lock():
        entered = book.enter(desk, desk.trust(), [read_envelope(f) for f in files])
    if slips is not None:
        desk.space.disk.folder(slips)
        for file, slip in zip(files, entered, strict=True):
            desk.space.disk.write(slips / f"{file.stem}{SUFFIX}", slip.to_bytes(), mode=0o644)
    rows = [(_index(s), f, s.envelope.digest[:16]) for f, s in zip(files, entered, strict=True)]
    return Answer(
        f"entered: {count(len(files), 'statement')}; {_witnesses(desk)}",
        facts={"entries": [{"file": str(f), "index": _index(s), "statement": s.envelope.digest}
                           for f, s in zip(files, entered, strict=True)]},
        body=[Table(("entry", "file", "statement"), rows)],
    )  # fmt: skip


def _witnesses(desk: Desk) -> str:
    """Who has seen the ledger's newest head."""
    from countermark.lifecycle import care
    from countermark.passport.witnesses import told

    trust = desk.trust(expired=True)
    return told(care.reader_of(desk, trust).checkpoint(), trust, desk.now())


def _index(slip: Slip) -> int:
    return slip.index()


@command("show", group=ledger, examples=["countermark ledger show"])
@with_desk
def show(desk: Desk) -> Answer:
    """Show the ledger's head and every statement entered here."""
    from countermark.lifecycle import book

    trust = desk.trust(expired=True)
    with book.ledger(desk, trust) as log:
        head = log.checkpoint
    entries = [_entry(slip) | {"signer": _signer(slip, trust, desk)} for slip in book.every(desk)]
    rows = [(e["index"], e["type"], e["signer"], e["name"], e["time"], e["statement"][:16]) for e in entries]
    facts = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    return Answer(
        f"{head.size} entries; {_witnesses(desk)}", facts=facts | {"entries": entries},
        body=[Table(("entry", "type", "signed by", "about", "claimed time", "statement"), rows), "", Pairs(list(facts.items()))],
    )  # fmt: skip


def _signer(slip: Slip, trust: Trust, desk: Desk) -> str:
    """Whose key verifies it; the entries were verified when they came."""
    try:
        return trust.verify(slip.envelope, "statement", desk.now(), leaf=slip.index()).party.id
    except Refusal:
        return "nobody who counts"


def _entry(slip: Slip) -> dict[str, Any]:
    from countermark.passport.slip import context_of
    from countermark.statement.statement import Statement

    said = Statement.from_bytes(slip.envelope.payload)
    kind = said.predicate_type.removeprefix("urn:countermark:predicate:")
    return {"index": _index(slip), "type": kind, "name": said.name, "statement": slip.envelope.digest,
            "time": context_of(said).time}  # fmt: skip


@command("proof", group=ledger, examples=["countermark ledger proof 3f9a12c0 --out entry.slip.json"])
@click.argument("which", metavar="STATEMENT|ENTRY")
@click.option("--out", type=PATH, metavar="FILE", help="Where to write it (default: STATEMENT.slip.json).")
@with_desk
def proof(which: str, out: Path | None, desk: Desk) -> Answer:
    """Write a statement with its opening and an inclusion proof against the ledger's newest head.

    STATEMENT is the beginning (8 digits or more) of its digest; ENTRY its number, as `ledger show` prints them.
    `countermark disclose` is the same.
    """
    return disclosed(which, out, desk)


def disclosed(which: str, out: Path | None, desk: Desk) -> Answer:
    """Open one leaf: write the statement, what its leaf commits to, and its proof against the newest head."""
    from countermark.lifecycle import book

    one = book.find(desk, which)
    (renewed,), head = book.refreshed(desk, desk.trust(), [one])
    file = out or Path(f"{one.envelope.digest[:16]}{SUFFIX}")
    desk.space.disk.write(file, renewed.to_bytes(), mode=0o644)
    return Answer(
        f"written: {file}, entry {one.index()} of {head.size}",
        facts={"file": str(file), "index": one.index(), "size": head.size, "root": head.root.hex()},
    )


@command("head", group=ledger, examples=["countermark ledger head /media/stick/head.checkpoint"])
@click.argument("file", type=PATH)
@with_desk
def head(file: Path, desk: Desk) -> Answer:
    """Write the ledger's newest signed head (C2SP tlog-checkpoint) with its cosignatures, for relying parties to carry.

    `verify --min-checkpoint FILE` refuses papers of before; later papers prove that they extend it.
    """
    from countermark.lifecycle import book

    newest = book.show_head(desk, desk.trust())
    desk.space.disk.write(file, newest.note, mode=0o644)
    return Answer(f"written: {file}, {newest.size} entries",
                  facts={"file": str(file), "size": newest.size, "root": newest.root.hex()})  # fmt: skip


@command("ask", group=ledger, examples=["countermark ledger ask head.add-checkpoint --old 118"])
@click.argument("file", type=PATH)
@click.option("--old", type=click.IntRange(0), default=0, show_default=True, metavar="N",
              help="Ledger size that this witness cosigned last (`witness show`).")  # fmt: skip
@with_desk
def ask(file: Path, old: int, desk: Desk) -> Answer:
    """Write a submission for a witness without a network; it answers with `countermark witness cosign FILE`."""
    from countermark.lifecycle import witnessing

    desk.space.disk.write(file, witnessing.request(desk, desk.trust(), old).to_bytes(), mode=0o644)
    return Answer(f"written: {file}; carry it to the witness", facts={"file": str(file), "old": old})


@command("cosign", group=ledger, examples=[
    "countermark ledger cosign",
    "countermark ledger cosign head.add-checkpoint.cosignature",
])  # fmt: skip
@click.argument("files", nargs=-1, type=PATH)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
              help="Patience with each witness.")  # fmt: skip
@with_desk
def cosign(files: tuple[Path, ...], seconds: float, desk: Desk) -> Answer:
    """Have the witnesses of the quorum cosign the ledger's newest head; FILES are answers that were carried here."""
    from countermark.ledger.note import MAX_NOTE_BYTES
    from countermark.lifecycle import witnessing
    from countermark.lifecycle.desk import read_file

    done = witnessing.ask(desk, desk.trust(), [read_file(f, MAX_NOTE_BYTES) for f in files], seconds=seconds)
    rows = [(name, "cosigned") for name in done.cosigned] + list(done.missing.items())
    told = f"{done.checkpoint.size} entries cosigned by {', '.join(done.cosigned) or 'nobody'}"
    return Answer(
        told if done.enough else f"not enough: {told}", FINE if done.enough else FOUND,
        {"size": done.checkpoint.size, "cosigned": list(done.cosigned), "missing": done.missing, "enough": done.enough},
        [Table(("witness", "answer"), rows)],
    )  # fmt: skip


@command("check", group=ledger, examples=[
    "countermark ledger check",
    "countermark ledger check --seen model.cmpass --seen photos.cmanswer --seen head.checkpoint",
])  # fmt: skip
@click.option("--seen", multiple=True, type=PATH, metavar="FILE",
              help="Passport, slip, answer or head that others hold; may be repeated.")  # fmt: skip
@with_view
@with_desk
def check(seen: tuple[Path, ...], desk: Desk, view: View) -> Answer:
    """Recompute the whole log from its entries, and compare it with its signed head and with heads that others saw.

    Do so before a restored ledger is written to: refused where somebody saw more of it, or another history.
    """
    from countermark.ledger.audit import audit
    from countermark.lifecycle import ledger_place
    from countermark.passport.slip import ledger_note_key

    key = ledger_note_key(desk.trust(expired=True))
    with Bar(view) as bar:
        done = audit(ledger_place.reading(desk), key, progress=lambda n, of: bar.tick("entries", n, of))
    head = done.checkpoint
    if seen:
        from countermark.lifecycle.restore import refuse_older

        refuse_older(desk, desk.trust(expired=True), seen)
    return Answer(
        f"whole: {head.size} entries lead to the signed root; {_witnesses(desk)}",
        facts={"size": head.size, "root": head.root.hex(), "tiles": done.tiles},
        body=[Pairs([("root", head.root.hex()), ("tiles compared", done.tiles)])],
    )


@command("fsck", group=ledger, examples=["countermark ledger fsck"])
@with_view
@with_desk
def fsck(desk: Desk, view: View) -> Answer:
    """Check everything that is kept: tiles, entries, head, and each statement with its opening and receipt.

    Names what does not hold, with what to do about it, and changes nothing. Statements whose entering was cut short before the
    ledger had them are told and are no trouble: nobody was told of them.
    """
    from countermark.lifecycle import care

    with Bar(view) as bar:
        seen = care.fsck(desk, lambda n, of: bar.tick("entries", n, of))
    cut = f"; {count(len(seen.unfinished), 'statement')} never entered" if seen.unfinished else ""
    out = _troubles(
        f"whole: {seen.head.size} entries and their statements{cut}", "does not hold", seen.head.size, seen.troubles
    )
    unfinished = [Refused(t.what, fix=t.mend, heading=t.where) for t in seen.unfinished]
    return replace(out, facts=out.facts | {"unfinished": _facts(seen.unfinished)}, body=[*unfinished, *out.body])


@command("rebuild-index", group=ledger, examples=[
    "countermark ledger rebuild-index",
    "countermark ledger rebuild-index --from model.cmpass --from acme.slip.json",
])  # fmt: skip
@click.option("--from", "files", multiple=True, type=PATH, metavar="FILE",
              help="Slip, answer, passport, delivery or statement that somebody kept; may be repeated.")  # fmt: skip
@with_view
@with_desk
def rebuild_index(files: tuple[Path, ...], desk: Desk, view: View) -> Answer:
    """Restore statements that were lost, make receipts again from the ledger's entries, and the index from the statements.

    Signed words come back from copies in the workspace and from the files named; what stays missing is told, with whom to ask,
    and ends with 1. What was never entered is moved to .countermark/statements/never-entered. The index is never evidence.
    """
    from countermark.lifecycle.rebuild import rebuild

    with Bar(view) as bar:
        done = rebuild(desk, files, lambda n, of: bar.tick("entries", n, of))
    told = (f"restored: {count(done.statements, 'statement')}; made again: {count(done.receipts, 'receipt')}, "
            f"and the index of {count(done.indexed, 'statement')}")  # fmt: skip
    aside = [f"never entered, moved aside: {count(len(done.aside), 'statement')}"] if done.aside else []
    facts = {"restored": done.statements, "receipts": done.receipts, "indexed": done.indexed, "aside": list(done.aside)}
    out = _troubles(told, "missing", done.receipts, list(done.missing))
    return replace(out, facts=out.facts | facts, body=[*aside, *([told] if done.missing else []), *out.body])


@command("monitor", group=ledger, examples=[
    "countermark ledger monitor",
    "countermark ledger monitor --every 3600",
    "countermark ledger monitor https://ledger.example/parts --every 3600",
    "countermark ledger monitor /srv/ledger",
])  # fmt: skip
@click.argument("where", required=False, metavar="[FOLDER|URL]")
@click.option("--every", type=click.IntRange(1), metavar="SECONDS", help="Look again and again, until an alarm.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True,
              help="Patience with each file of a URL.")  # fmt: skip
@click.option(
    "--allow-http", is_flag=True, help="Take http:// from another machine: others on the way see that you look."
)
@with_view
@with_desk
def monitor(where: str | None, every: int | None, seconds: float, allow_http: bool, desk: Desk, view: View) -> Answer:
    """Look what is new since the last look, and raise an alarm (exit code 1) where the ledger forgot, forked, or holds an
    entry that nobody here entered.

    FOLDER or URL is the ledger as somebody else serves it (tlog-tiles), of which only the history is watched. The last look is
    remembered in the workspace; it moves on only where there is no alarm. Evidence of a fork is kept: `ledger fork FILE`.
    """
    import time

    from countermark.errors import Unusable
    from countermark.lifecycle import care

    while True:
        try:
            done = care.monitor(desk, where, clear=allow_http, seconds=seconds)
        except Unusable as error:
            if every is None:
                raise
            click.echo(safe(f"not seen: {error.what}: {error.why}"), err=True)
        else:
            told = f"{done.head.size} entries, {done.head.size - done.before} new; the history only grew"
            if every is None or done.alarms:
                return _troubles(told, "alarm", done.head.size, list(done.alarms))
            if not view.json and not view.quiet:
                click.echo(safe(told))
        time.sleep(every)


@command("compare", group=ledger, examples=[
    "countermark ledger compare https://ledger.example/parts head-of-acme.checkpoint",
    "countermark ledger compare model.cmpass photos.cmanswer",
])  # fmt: skip
@click.argument("first", metavar="VIEW")
@click.argument("second", metavar="VIEW")
@click.option(
    "--allow-http", is_flag=True, help="Take http:// from another machine: others on the way see that you look."
)
@with_desk
def compare(first: str, second: str, allow_http: bool, desk: Desk) -> Answer:
    """Compare what two parties were shown of the ledger: one history, or two (exit code 1)?

    A VIEW is a folder or URL of the ledger, or a file that carries one of its heads: checkpoint, slip, answer or passport. Two
    histories are evidence against the ledger's keeper, whose key signed both: it is kept, and `ledger fork FILE` checks it anywhere.
    """
    from countermark.lifecycle import care, views

    trust = desk.trust(expired=True)
    done = care.compared(desk, *(views.read(trust, where, clear=allow_http) for where in (first, second)))
    heads = [(v.name, v.head.size, v.head.root.hex()) for v in (done.earlier, done.later)]
    return Answer(
        f"one history: {done.later.name} has {done.more} entries more" if done.more else "one history: the same head",
        facts={"views": [{"view": v, "size": s, "root": r} for v, s, r in heads], "more": done.more},
        body=[Table(("view", "entries", "root"), heads)],
    )  # fmt: skip


@command("fork", group=ledger, examples=["countermark ledger fork 3f9a12c07d5e8b21.json"])
@click.argument("file", type=PATH)
@with_desk
def fork(file: Path, desk: Desk) -> Answer:
    """Check evidence that the ledger showed two histories; exit code 1 where it did, for that is an alarm."""
    from countermark.lifecycle import views

    earlier, later = views.read_fork(desk.trust(expired=True), file)
    heads = [(h.size, h.root.hex()) for h in (earlier, later)]
    return Answer(
        f"proven: the ledger's key signed two histories, of {earlier.size} and {later.size} entries", FOUND,
        {"heads": [{"size": s, "root": r} for s, r in heads]}, [Table(("entries", "root"), heads)],
    )  # fmt: skip


def _troubles(fine: str, word: str, size: int, troubles: list[Trouble]) -> Answer:
    facts = {"size": size, "troubles": _facts(troubles)}
    if not troubles:
        return Answer(fine, facts=facts)
    first, more = troubles[0], f"; and {len(troubles) - 1} more" if troubles[1:] else ""
    body = [Refused(t.what, fix=t.mend, heading=t.where) for t in troubles]
    return Answer(f"{word}: {first.where}: {first.what}{more}", FOUND, facts, body)


def _facts(troubles: Sequence[Trouble]) -> list[dict[str, str]]:
    return [{"where": t.where, "what": t.what, "fix": t.mend} for t in troubles]
