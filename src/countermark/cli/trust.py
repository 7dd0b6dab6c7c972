"""`countermark trust`: the document that says who the parties are and with which keys they speak."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count
from countermark.cli.party import drafted
from countermark.errors import TrustRefused, Unusable

if TYPE_CHECKING:
    from countermark.keys.document import Party
    from countermark.lifecycle.desk import Desk


@click.group()
def trust() -> None:
    """Who is trusted for what: draft, sign, publish, pin, renew."""


@command("new", group=trust, examples=[
    "countermark trust new part-recogniser --party manufacturer.enrol.json=data-owner,model-owner "
    "--party engineering.enrol.json=model-owner --threshold 2",
])  # fmt: skip
@click.argument("project")
@click.option("--party", "parties", multiple=True, required=True, metavar="FILE=ROLE[,ROLE]",
              help="An enrolment and its roles; may be repeated. At least one owner.")  # fmt: skip
@click.option("--threshold", type=click.IntRange(1), default=1, show_default=True,
              help="How many owners must sign each version.")  # fmt: skip
@click.option("--ledger", metavar="PARTY", help="Who keeps the ledger (default: this party).")
@click.option("--policy", "policies", multiple=True, type=PATH, metavar="FILE",
              help="A policy that counts; may be repeated (default: the one that ships).")  # fmt: skip
@with_desk
def new(
    project: str, parties: tuple[str, ...], threshold: int, ledger: str | None, policies: tuple[Path, ...], desk: Desk
) -> Answer:
    """Draft version 1 of a project's trust document."""
    from countermark import canonical
    from countermark.lifecycle import trust_draft
    from countermark.lifecycle.desk import read_file

    enrolled = [_party(given) for given in parties]
    document = trust_draft.first_draft(desk, project, enrolled, threshold=threshold, ledger=ledger or desk.party)
    for source in [read_file(p) for p in policies] or [compose.default_policy()]:
        document = trust_draft.name_policy(desk, canonical.sha256_hex(source))
    return drafted(document)


def _party(given: str) -> Party:
    from countermark.keys.document import EVERYTHING, OWNERS
    from countermark.lifecycle.desk import read_file
    from countermark.lifecycle.enrol import Enrolment

    file, _, text = given.rpartition("=")
    if not file or not text:
        raise Unusable(f"{given!r} names no role", mend="--party FILE=ROLE[,ROLE]")
    roles = text.split(",")
    return Enrolment.from_bytes(read_file(Path(file))).party(roles, (EVERYTHING,) if OWNERS & set(roles) else ())


@command("sign", group=trust, examples=[
    "countermark trust sign --out trust-draft.json",
    "countermark trust sign trust-draft.json",
])  # fmt: skip
@click.argument("file", type=PATH, required=False)
@click.option("--out", type=PATH, metavar="FILE", help="Write the draft as signed so far, for the next owner.")
@with_desk
def sign(file: Path | None, out: Path | None, desk: Desk) -> Answer:
    """Sign the draft made here, or the one in FILE that another owner handed over.

    It is published in this workspace once enough owners have signed it, as many as the version before it asks too.
    """
    from countermark.lifecycle import trust_draft, trust_sign

    envelope, published = trust_sign.sign_draft(desk, file)
    if out is not None:
        desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
    where = out or file or desk.space.home / "trust" / f"{trust_draft.DRAFT}.signed"
    facts = {"signatures": len(envelope.signatures), "published": published, "file": str(where)}
    if not published:
        return Answer(f"signed by {len(envelope.signatures)}, not published yet: hand {where} to the next owner",
                      facts=facts)  # fmt: skip
    mark = desk.mark()
    return Answer(
        f"published: fingerprint {mark.fingerprint}",
        facts=facts | {"fingerprint": mark.fingerprint},
        body=[_what_now(desk.trust().document.version)],
    )


def _what_now(version: int) -> str:
    if version == 1:
        return "tell the fingerprint to every party over another channel than the file (`countermark trust export`)"
    return (
        f"version {version}; the fingerprint is as before: every party pins the new file (`countermark trust export`)"
    )


@command("show", group=trust, examples=["countermark trust show"])
@with_desk
def show(desk: Desk) -> Answer:
    """Show the pinned project and what was seen of it."""
    newest, mark = desk.trust(expired=True), desk.mark()
    document = newest.document
    facts = {
        "project": document.project, "fingerprint": newest.fingerprint, "version": document.version,
        "issued": document.issued, "expires": document.expires, "threshold": document.threshold,
        "parties": len(document.parties), "ledger": document.ledger_origin, "keeper": document.ledger_operator,
        "quorum": document.quorum, "policies": list(document.policies), "seen": mark.size,
    }  # fmt: skip
    shown = facts | {"policies": "\n".join(document.policies) or "none", "seen": f"ledger of {mark.size} entries"}
    desk.trust()
    return Answer(
        f"trusted: {document.project}, version {document.version}, until {document.expires}",
        facts=facts, body=[Pairs(list(shown.items()))],
    )  # fmt: skip


@command("export", group=trust, examples=["countermark trust export trust.jsonl"])
@click.argument("file", type=PATH)
@with_desk
def export(file: Path, desk: Desk) -> Answer:
    """Write all versions into a file that other parties pin."""
    from countermark.lifecycle import trust_draft
    from countermark.lifecycle.desk import chain_bytes

    if not desk.pinned() and (desk.space.home / "trust" / trust_draft.DRAFT).exists():
        raise TrustRefused(
            "nothing is published yet", mend="as many owners as the threshold says run `countermark trust sign`"
        )
    newest = desk.trust(expired=True)
    desk.space.disk.write(file, chain_bytes(newest.envelopes), mode=0o644)
    return Answer(
        f"written: {file}, {count(len(newest.envelopes), 'version')} of {newest.document.project}",
        facts={"file": str(file), "fingerprint": newest.fingerprint, "version": newest.document.version},
        body=[Pairs([("fingerprint", newest.fingerprint)]), "tell it over another channel than the file"],
    )


@command("pin", group=trust, examples=[
    "countermark trust pin 5f1c0e... --trust trust.jsonl --revocations revocations.json",
])  # fmt: skip
@click.argument("fingerprint")
@click.option("--trust", "file", type=PATH, required=True, metavar="FILE", help="All trust versions, as exported.")
@click.option("--revocations", type=PATH, metavar="FILE", help="The owners' newest revocation snapshot.")
@with_desk
def pin(fingerprint: str, file: Path, revocations: Path | None, desk: Desk) -> Answer:
    """Trust a project by the fingerprint that its owner told you over another channel.

    Without the owners' newest revocation snapshot, verifying shows integrity only and exits with 3.
    """
    from countermark.lifecycle import trust_pin
    from countermark.lifecycle.verify import fresh_until, pin_snapshot

    newest = trust_pin.pin(desk, fingerprint.lower(), file)
    until = pin_snapshot(desk, revocations) if revocations else fresh_until(desk)
    fresh = f"revocations known until {until}" if until else "no revocation snapshot: freshness is not shown"
    return Answer(
        f"pinned: {newest.document.project}, version {newest.document.version}; {fresh}",
        facts={"project": newest.document.project, "version": newest.document.version, "fingerprint": fingerprint.lower(),
               "fresh_until": until},
    )  # fmt: skip


@command("renew", group=trust, examples=["countermark trust renew"])
@click.option("--threshold", type=click.IntRange(1), help="How many owners must sign from now on.")
@with_desk
def renew(threshold: int | None, desk: Desk) -> Answer:
    """Draft the next version with a new year to live; the owners then sign it."""
    from countermark.lifecycle import roster, trust_draft

    if threshold is not None:
        return drafted(roster.set_threshold(desk, threshold))
    return drafted(trust_draft.save_draft(desk, trust_draft.draft(desk)))


@command("policy", group=trust, examples=["countermark trust policy policy.toml"])
@click.argument("file", type=PATH)
@with_desk
def policy(file: Path, desk: Desk) -> Answer:
    """Draft that the policy in FILE counts in this project; a passport can bring no other."""
    from countermark.lifecycle import trust_draft
    from countermark.lifecycle.desk import read_file
    from countermark.policy.document import Policy

    return drafted(trust_draft.name_policy(desk, Policy.from_bytes(read_file(file)).digest))


@command("quorum", group=trust, examples=["countermark trust quorum witnesses.txt", "countermark trust quorum none"])
@click.argument("file", type=PATH, metavar="FILE|none")
@with_desk
def quorum(file: Path, desk: Desk) -> Answer:
    """Draft which witnesses must have cosigned the ledger before anything in it counts.

    FILE is a C2SP tlog-policy; `countermark witness key` prints each party's line.
    """
    from countermark.keys.quorum import MAX_BYTES, NONE
    from countermark.lifecycle import trust_draft
    from countermark.lifecycle.desk import read_file

    text = NONE if str(file) == NONE else read_file(file, MAX_BYTES).decode("utf-8", "replace")
    return drafted(trust_draft.name_quorum(desk, text))


@command("snapshot", group=trust, examples=[
    "countermark trust snapshot revocations.json",
    "countermark trust snapshot revocations.json --revoke 118",
])  # fmt: skip
@click.argument("file", type=PATH)
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="Until the next one is due.")
@click.option("--revoke", type=click.IntRange(0), multiple=True, metavar="N",
              help="A ledger entry that no longer counts; may be repeated.")  # fmt: skip
@with_desk
def snapshot(file: Path, days: int, revoke: tuple[int, ...], desk: Desk) -> Answer:
    """Sign and enter the owners' newest revocation snapshot, and write it for relying parties."""
    from countermark.lifecycle import acts

    slip = acts.snapshot(desk, days=days, revoke=revoke)
    desk.space.disk.write(file, slip.to_bytes(), mode=0o644)
    return Answer(
        f"written: {file}, good for {days} days; hand it to relying parties",
        facts={"file": str(file), "statement": slip.envelope.digest, "revoked": sorted(revoke), "days": days},
    )
