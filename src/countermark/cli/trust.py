"""``countermark trust``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING, FOLDER, desk_options, json_option


@click.group("trust")
def command() -> None:
    """Draft, sign, show and pin the trust document.

    \b
    Examples:
      countermark trust new parts --threshold 2 --party manufacturer.enrol.json=data-owner,model-owner \\
          --party engineering.enrol.json=model-owner --ledger manufacturer --policy policy.toml
      countermark trust sign
      countermark trust pin FINGERPRINT --trust trust.jsonl --revocations revocations.json
    """


@command.command("new")
@click.argument("project")
@click.option(
    "--party", "parties", multiple=True, required=True, metavar="FILE=ROLE[,ROLE]", help="Enrolment and roles."
)
@click.option("--threshold", type=int, default=1, show_default=True, help="Owners who must sign each version.")
@click.option("--ledger", required=True, help="Id of the party that keeps the ledger.")
@click.option(
    "--policy", "policies", multiple=True, type=EXISTING, help="Policy that counts; default: the shipped one."
)
@desk_options
def new(project: str, parties: tuple[str, ...], threshold: int, ledger: str, policies: tuple[Path, ...],
        workspace: Path | None, passphrase_file: Path | None) -> None:  # fmt: skip
    """Draft version 1 of a project's trust document."""
    from countermark import canonical
    from countermark.cli.policy import read
    from countermark.compose import desk
    from countermark.errors import Unusable
    from countermark.keys.trust import EVERYTHING, OWNERS
    from countermark.lifecycle import enrol
    from countermark.lifecycle.desk import read_file

    me, enrolled = desk(workspace, passphrase_file), []
    for given in parties:
        file, _, roles = given.partition("=")
        if not roles:
            raise Unusable(f"{given!r} names no role", mend="FILE=ROLE[,ROLE]")
        scope = (EVERYTHING,) if OWNERS & set(roles.split(",")) else ()
        enrolled.append(enrol.Enrolment.from_bytes(read_file(Path(file))).party(roles.split(","), scope))
    enrol.first_draft(me, project, enrolled, threshold=threshold, ledger=ledger)
    for source in [read(p) for p in policies] or [read(None)]:
        enrol.name_policy(me, canonical.sha256_hex(source))
    show.verdict(f"draft of version 1 of {project}; {threshold} owners run `countermark trust sign`", good=True)


@command.command("sign")
@click.argument("file", type=EXISTING, required=False)
@click.option("--out", type=FOLDER, help="Where to write the partly signed draft for the next owner.")
@desk_options
def sign(file: Path | None, out: Path | None, workspace: Path | None, passphrase_file: Path | None) -> None:
    """Sign the draft here, or the one in FILE; it is published once enough owners signed."""
    from countermark.compose import desk
    from countermark.lifecycle import enrol

    me = desk(workspace, passphrase_file)
    envelope, published = enrol.sign_draft(me, file)
    if out:
        out.write_bytes(envelope.to_bytes())
    if published:
        show.verdict(f"published; fingerprint {me.mark().fingerprint}", good=True)
        return
    where = out or file or me.space.home / "trust" / f"{enrol.DRAFT}.signed"
    show.verdict(f"signed by {len(envelope.signatures)}; hand {where} to the next owner", good=True)


@command.command("show")
@desk_options
@json_option
def show_(workspace: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Show the trusted project, its fingerprint and what was seen."""
    from countermark.compose import desk

    me = desk(workspace, passphrase_file)
    trust, mark = me.trust(), me.mark()
    document = trust.document
    facts = {
        "project": document.project, "fingerprint": trust.fingerprint, "version": document.version, "issued": document.issued,
        "expires": document.expires, "threshold": document.threshold, "parties": len(document.parties),
        "ledger": document.ledger_origin, "operator": document.ledger_operator, "quorum": document.quorum,
        "policies": list(document.policies), "seen_ledger_size": mark.size,
    }  # fmt: skip
    if as_json:
        show.as_json(facts)
        return
    show.lines(*(f"{name:<18} {value}" for name, value in facts.items()))


@command.command("export")
@click.argument("file", type=FOLDER)
@desk_options
def export(file: Path, workspace: Path | None, passphrase_file: Path | None) -> None:
    """Write all trust versions to a file for others to pin."""
    from countermark.compose import desk
    from countermark.lifecycle.desk import chain_bytes

    trust = desk(workspace, passphrase_file).trust()
    file.write_bytes(chain_bytes(trust.envelopes))
    show.verdict(
        f"{file}: version {trust.document.version}; tell the fingerprint {trust.fingerprint} another way", good=True
    )


@command.command("pin")
@click.argument("fingerprint")
@click.option("--trust", "file", type=EXISTING, required=True, help="File of trust versions.")
@click.option("--revocations", type=EXISTING, help="The owners' newest revocation snapshot.")
@desk_options
def pin(fingerprint: str, file: Path, revocations: Path | None, workspace: Path | None,
        passphrase_file: Path | None) -> None:  # fmt: skip
    """Trust a project by the fingerprint that its owner told you over another channel."""
    from countermark.compose import desk
    from countermark.lifecycle import enrol
    from countermark.lifecycle.verify import pin_snapshot

    me = desk(workspace, passphrase_file)
    trust = enrol.pin(me, fingerprint, file)
    until = pin_snapshot(me, revocations) if revocations else ""
    fresh = f"revocations known until {until}" if until else "no revocation snapshot: freshness will not be shown"
    show.verdict(f"pinned {trust.document.project}, version {trust.document.version}; {fresh}", good=True)


@command.command("renew")
@desk_options
def renew(workspace: Path | None, passphrase_file: Path | None) -> None:
    """Draft the next version with a new year to live; the owners then sign it."""
    from countermark.compose import desk
    from countermark.lifecycle import enrol

    me = desk(workspace, passphrase_file)
    document = enrol.save_draft(me, enrol.draft(me))
    show.verdict(
        f"draft of version {document.version}, until {document.expires}; now `countermark trust sign`", good=True
    )


@command.command("snapshot")
@click.argument("file", type=FOLDER)
@click.option("--days", type=int, default=30, show_default=True, help="Days until the next one.")
@click.option("--revoke", type=int, multiple=True, help="Ledger entry that no longer counts; may be repeated.")
@desk_options
def snapshot(
    file: Path, days: int, revoke: tuple[int, ...], workspace: Path | None, passphrase_file: Path | None
) -> None:
    """Sign and enter the newest revocation snapshot, and write it for relying parties."""
    from countermark.compose import desk
    from countermark.lifecycle import acts

    slip = acts.snapshot(desk(workspace, passphrase_file), days=days, revoke=revoke)
    file.write_bytes(slip.to_bytes())
    show.verdict(f"{file}: hand it to relying parties with the fingerprint", good=True)
