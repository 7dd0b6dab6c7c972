"""`countermark verify`: a model against its passport, a folder against its delivery file, a statement; offline."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import FINE, FOUND, INCONCLUSIVE, Answer, Pairs
from countermark.cli._command import PATH, command
from countermark.cli._show import count
from countermark.errors import NothingToVerify, TrustRefused, Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk
    from countermark.passport.slip import Slip
    from countermark.passport.verify import Pin, Verified

PASSPORT, ANSWERS = ".cmpass", (".cmanswer", ".slip.json")
STALE = (
    "to show that it was not revoked: ask an owner for a snapshot (`countermark trust snapshot FILE`), then "
    "`countermark trust pin FINGERPRINT --trust FILE --revocations FILE`"
)


@command("verify", examples=[
    "countermark verify model/ --passport model.cmpass",
    "countermark verify model/ --passport model-for-auditor.cmpass",
    "countermark verify model/ --min-checkpoint /media/stick/head.checkpoint",
    "countermark verify model/ --only weights/layer-7.safetensors",
    "countermark verify photos/",
    "countermark verify photos.cmanswer",
])  # fmt: skip
@click.argument("path", type=PATH)
@click.option("--passport", type=PATH, metavar="FILE", help="The model's papers (default: PATH.cmpass, where it lies).")
@click.option("--fingerprint", metavar="HEX", help="Trust this project without a workspace; nothing is remembered.")
@click.option("--revocations", type=PATH, metavar="FILE", help="The owners' newest snapshot, with --fingerprint.")
@click.option("--name", metavar="NAME", help="Refuse papers of a model that was released under another name.")
@click.option("--min-checkpoint", type=PATH, metavar="FILE",
              help="A ledger head carried here (`ledger head`): refuse papers that are older, or do not extend it.")  # fmt: skip
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Read just this file, or the files below this folder, inside PATH; may be repeated.",
)
@click.option("--workspace", type=PATH, metavar="DIR", help="Whose pin and memory count (default: here, or above).")
def verify(
    path: Path, passport: Path | None, fingerprint: str | None, revocations: Path | None, name: str | None,
    min_checkpoint: Path | None, only: tuple[str, ...], workspace: Path | None,
) -> Answer:  # fmt: skip
    """Verify a model against its passport, a folder against its delivery, or an answer that you were handed.

    An auditor's papers (`release --for-auditor`) bring the evidence: it is held against the statements that they open, and
    the policy is applied to it again. What no paper shows is listed as not looked at.

    Offline. 0: it holds, and the owners' snapshot kept here shows that it was not revoked. 1: refused, naming the file.
    3: nobody signed it, or whether the model or the statement was revoked meanwhile is not shown. A folder against its
    delivery needs no snapshot: who may sign stands in the trust document.
    """
    if not os.path.lexists(path):
        raise Unusable(f"there is no {path}", mend="check the path")
    if revocations is not None and not fingerprint:  # never pass over a snapshot that may revoke what is verified
        raise Unusable(
            "--revocations goes with --fingerprint", why="a workspace goes by the snapshot that it keeps",
            mend="`countermark trust pin FINGERPRINT --trust FILE --revocations FILE` keeps this one",
        )  # fmt: skip
    beside = path.with_name(path.name + PASSPORT)
    papers = passport or (beside if beside.is_file() else None)
    desk = compose.desk_if_any(workspace)
    if papers is not None:
        pin = replace(_pin(desk, fingerprint, revocations), model=name or "", least=_note(min_checkpoint))
        return _model(path, papers, pin, desk, only)
    if name is not None or min_checkpoint is not None or fingerprint is not None:
        raise Unusable(
            "--name, --min-checkpoint and --fingerprint are about a model's papers",
            mend="name them with --passport FILE; a statement or a folder is verified in a workspace that pinned the project",
        )
    if path.name.endswith(ANSWERS) and path.is_file():
        return _statement(path, desk)
    return _delivery(path, desk, only)


def _note(file: Path | None) -> bytes | None:
    from countermark.ledger.note import MAX_NOTE_BYTES
    from countermark.lifecycle.desk import read_file

    return None if file is None else read_file(file, MAX_NOTE_BYTES)


def _pin(desk: Desk | None, fingerprint: str | None, revocations: Path | None) -> Pin:
    from countermark.lifecycle.verify import pinned
    from countermark.passport.verify import Pin

    if fingerprint:
        return Pin(fingerprint.lower(), snapshot=_snapshot(revocations) if revocations else None)
    if desk is not None and desk.pinned():
        return pinned(desk)
    raise NothingToVerify(
        "nobody is trusted here, so the papers show nothing", why="no project is pinned, and no --fingerprint was named",
        mend="`countermark init NAME`, then `countermark trust pin FINGERPRINT --trust FILE`; or --fingerprint HEX",
    )  # fmt: skip


def _snapshot(file: Path) -> Slip:
    from countermark.lifecycle.desk import read_file
    from countermark.passport.slip import Slip

    return Slip.from_bytes(read_file(file), what=file.name)


def _model(path: Path, papers: Path, pin: Pin, desk: Desk | None, only: tuple[str, ...]) -> Answer:
    from countermark.lifecycle import verify as stage

    done = stage.verify_model(path, papers, pin, compose.clock(), only)
    if desk is not None and desk.pinned() and desk.mark().fingerprint == pin.fingerprint:
        stage.remember(desk, done)
    policy = done.verdict.verdict["policy"]
    waived = [r["id"] for r in done.verdict.verdict["rules"] if r.get("waived")]
    facts: dict[str, Any] = {
        "model": done.digest, "project": done.trust.document.project, "trust_version": done.trust.document.version,
        "policy": policy, "waived": waived, "statements": len(done.shown), "fresh_until": done.fresh_until,
        "only": list(only), "witnessed": done.witnessed, "ledger_size": done.checkpoint.size, "ledger_root": done.checkpoint.root.hex(),
        "when": done.when, "judged_again": None if done.again is None else done.again.rules,
        "not_looked_at": list(done.again.not_looked_at) if done.again else [],
    }  # fmt: skip
    return Answer(_words(path, done, waived) + _part(only), FINE if done.fresh_until else INCONCLUSIVE, facts, [Pairs([
        ("model", done.digest), ("project", f"{done.trust.document.project}, trust version {done.trust.document.version}"),
        ("policy", f"{policy['name']}, {policy['digest']}"), ("statements", f"{len(done.shown)} verified"),
        ("ledger", f"{done.checkpoint.size} entries"), ("witnesses", done.witnessed), ("verdict", done.when), ("freshness", done.freshness.removeprefix("freshness: ")),
        ("judged again", _judged_again(done)),
    ]), *(f"not looked at: {line}" for line in facts["not_looked_at"])])  # fmt: skip


def _judged_again(done: Verified) -> str:
    if done.again is None:
        return "no: these papers bring no evidence (`countermark release --for-auditor`)"
    return f"{count(done.again.rules, 'rule')}, each with the same outcome, over evidence that says what its statements say"


def _words(path: Path, done: Verified, waived: list[str]) -> str:
    state = done.state if done.fresh_until else "integrity holds, freshness: not shown"
    lifted = f" (waived: {', '.join(waived)})" if waived else ""
    return f"{state}: {path.name} of {done.trust.document.project}{lifted}"


def _part(only: tuple[str, ...]) -> str:
    return f"; looked at {', '.join(only)} and nothing else" if only else ""


def _delivery(path: Path, desk: Desk | None, only: tuple[str, ...]) -> Answer:
    from countermark.lifecycle.verify import verify_delivery

    done = verify_delivery(path, desk if desk is not None and desk.pinned() else None, only)
    facts = {"digest": done.tree.digest, "rows": done.rows, "signer": done.signer,
             "looked_at": done.looked_at, "only": list(only), "canaries": done.canaries}  # fmt: skip
    drawn = (
        [
            (
                "canaries",
                f"{count(done.canaries, 'pair')}, of each of which its supplier withheld a half by a secret coin",
            )
        ]
        if done.canaries
        else []
    )
    body = [Pairs([("tree digest", done.tree.digest), ("rows", done.rows), *drawn])]
    if done.signer:
        return Answer(f"verified: exactly what {done.signer} signed{_part(only)}", facts=facts, body=body)
    words = f"the files are those listed; who signed the list is not shown{_part(only)}"
    return Answer(words, INCONCLUSIVE, facts, [*body, "to show it: `countermark trust pin FINGERPRINT --trust FILE`"])


def _statement(path: Path, desk: Desk | None) -> Answer:
    """A statement with its receipt, as the ledger's keeper handed it out."""
    from countermark.cli._traces import told as said_of
    from countermark.lifecycle.verify import fresh_until, read_slip
    from countermark.passport.witnesses import UNWITNESSED, told
    from countermark.statement.predicates import reception

    shown = read_slip(desk, path, logged=True)
    seen = told(shown.checkpoint, desk.trust(), desk.now()) if desk and shown.checkpoint else UNWITNESSED
    until = fresh_until(desk, shown) if desk else None
    kind = shown.statement.predicate_type.removeprefix("urn:countermark:predicate:")
    size = shown.checkpoint.size if shown.checkpoint else 0
    facts: dict[str, Any] = {"signer": shown.party.id, "type": kind, "statement": shown.digest, "index": shown.index,
                             "size": size, "subject": shown.statement.digest, "witnessed": seen, "when": shown.when, "fresh_until": until}  # fmt: skip
    body: list[Any] = [Pairs([("signed by", shown.party.id), ("type", kind), ("about", shown.statement.name),
                              ("said", shown.when), ("ledger", f"entry {shown.index} of {size}"), ("witnesses", seen),
                              ("freshness", f"shown until {until}" if until else "not shown")]),
                       *([] if until else [STALE])]  # fmt: skip
    held, tail = (FINE, "") if until else (INCONCLUSIVE, "; freshness: not shown")
    if words := said_of(shown):
        return Answer(f"verified: {words[0]}, entry {shown.index}{tail}", held, facts | words[1], [*body, *words[2]])
    if shown.statement.predicate_type != reception.TYPE:
        return Answer(f"verified: {kind} by {shown.party.id}, entry {shown.index}{tail}", held, facts, body)
    if "data-owner" not in shown.party.roles:
        raise TrustRefused(f"this answer is signed by {shown.party.id}, who owns no data")
    said = reception.Reception.from_json(shown.statement.predicate)
    facts |= {"state": said.state, "reasons": list(said.reasons)}
    verdict = f"{said.state} by {shown.party.id}: {said.rows} rows"
    if said.state == "refused":  # whether the refusal still stands makes it no better
        return Answer(verdict, FOUND, facts, [*said.reasons, *body])
    return Answer(verdict + tail, held, facts, body)
