"""`countermark license`: signed grants that only narrow, and what is said about them later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark import compose
from countermark.cli._answer import FOUND, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._show import count
from countermark.cli.license_terms import USES, applied, public_key, terms
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.dsse import Envelope
    from countermark.licence.chain import Chain
    from countermark.licence.state import State
    from countermark.lifecycle.desk import Desk
    from countermark.statement.predicates.licence_claims import Claims, Licensee

OUT = click.option("--out", type=PATH, required=True, metavar="FILE", help="Where it is written.")


@click.group()
def license() -> None:  # noqa: A001 - the command is found in its module by its name
    """Grant, narrow, explain, revoke and move licences."""


@command("grant", group=license, examples=[
    "countermark license grant model --to plant --use infer --field inspection --territory DE --days 365 "
    "--max-queries 100000/1d --max-loads unlimited --max-hosts 1 --host pkcs11-key --lease 30d --grace 7d --out plant.licence",
    "countermark license grant model --to plant --use evaluate --field '*' --territory '*' --days 30 --max-queries 5000 "
    "--max-loads 10 --max-hosts 1 --host none --lease none --revocation none --out trial.licence",
])  # fmt: skip
@click.argument("asset", metavar="FOLDER|DIGEST")
@click.option("--to", required=True, metavar="PARTY", help="The licensee, who has a licence key in the trust document.")
@click.option("--ciphertext-root", metavar="HEX", help="Of the sealed asset; only the sealed form is licensed then.")
@click.option("--manifest", metavar="HEX", help="Digest of its manifest.")
@terms
@OUT
@with_desk
def grant(
    asset: str,
    to: str,
    ciphertext_root: str | None,
    manifest: str | None,
    named: dict[str, Any],
    out: Path,
    desk: Desk,
) -> Answer:
    """Grant a licence, as the owner of a model or of data. What is not granted is denied.

    Beside it, FILE.revoked is written: the list of revoked licences that it asks for. Where co-signers are named it counts once
    they signed too (`countermark license sign`).
    """
    from countermark.lifecycle import license as licensing
    from countermark.statement.predicates.licence_claims import Claims, Subject

    subject = Subject(_digest(asset), ciphertext_root, manifest)
    now = desk.stamp()
    base = Claims(licensing.licensee(desk, to), subject, now, now)
    if "days" not in named:
        raise Unusable("for how long?", mend="--days 365")
    given = {"lease": "30d", "grace": "7d", "revocation": licensing.BESIDE} | named
    if given["lease"] == "none":
        given.pop("grace")
    claims = applied(desk, base, given)
    return _written(desk, licensing.grant(desk, claims), out, "granted")


@command("narrow", group=license, examples=[
    "countermark license narrow plant.licence --to line-3 --use infer --max-queries 1000/1d --sublicense 0 --out line-3.licence",
])  # fmt: skip
@click.argument("file", type=PATH)
@click.option("--to", metavar="PARTY", help="The sublicensee, who has a licence key in the trust document.")
@click.option("--to-key", type=PATH, metavar="PEM", help="Or its public key, where it is no party of the project.")
@click.option("--name", metavar="ID", help="And its name, beside --to-key.")
@terms
@OUT
@with_desk
def narrow(
    file: Path, to: str | None, to_key: Path | None, name: str | None, named: dict[str, Any], out: Path, desk: Desk
) -> Answer:
    """Sublicense to another, as the licensee: the same or less, on every claim.

    What is not named stays as it is; one sublicence less may follow. A claim that would be wider is refused by its name.
    """
    from countermark.lifecycle import license as licensing
    from countermark.lifecycle.desk import read_file

    papers = licensing.read(desk, file)
    above = papers.chain.claims
    depth = max(0, above.sublicense.depth - 1)
    base = replace(
        above, licensee=_sublicensee(desk, to, to_key, name), uses=above.uses & above.sublicense.uses,
        sublicense=replace(above.sublicense, depth=depth),
    )  # fmt: skip
    if "days" in named:
        named["days"] = _no_later(desk, above, named["days"])
    claims = applied(desk, base, named)
    kept = replace(claims, sublicense=replace(claims.sublicense, uses=claims.sublicense.uses & claims.uses))
    answer = _written(desk, licensing.narrow(desk, papers, kept), out, "narrowed")
    beside = file.with_name(file.name + ".revoked")
    if beside.exists():  # the list of who granted the licence above is asked for here too
        desk.space.disk.write(out.with_name(out.name + ".revoked"), read_file(beside), mode=0o644)
    return answer


@command("sign", group=license, examples=["countermark license sign plant.licence"])
@click.argument("file", type=PATH)
@with_desk
def sign(file: Path, desk: Desk) -> Answer:
    """Add this party's signature to a licence that names it as a co-signer."""
    from countermark.lifecycle import license as licensing

    return _written(desk, licensing.co_sign(desk, file), file, "co-signed")


@command("explain", group=license, examples=[
    "countermark license explain plant.licence",
    "countermark license explain plant.licence --use infer --field inspection --territory DE",
])  # fmt: skip
@click.argument("file", type=PATH)
@click.option("--use", type=click.Choice(USES), help="Ask whether this would be allowed here and now.")
@click.option("--field", default="", metavar="WORD", help="What for.")
@click.option("--territory", default="", metavar="CODE", help="Where.")
@with_desk
def explain(file: Path, use: str | None, field: str, territory: str, desk: Desk) -> Answer:
    """Say what a licence allows, how long a revocation takes to be felt, and what has been used of it here.

    With --use the decision is made as it would be at load, without counting anything; a refusal names the claim that decides.
    """
    from countermark.licence import describe
    from countermark.lifecycle import license as licensing
    from countermark.lifecycle import license_use

    chain = licensing.read(desk, file).chain
    claims, known = chain.claims, license_use.state(desk, chain)
    used = _used(chain, known)
    body: list[Any] = [
        Pairs(describe.rows(chain)), "", f"protection: {describe.protection(claims)}", "",
        Table(("a revocation is felt after at most", ""), [*describe.delays(claims), describe.here(claims, known)]), "",
        Pairs([("used here", ""), *used] if used else [("used here", "nothing yet")]),
    ]  # fmt: skip
    facts: dict[str, Any] = {
        "licence": chain.leaf.digest, "claims": claims.to_json(), "protection": describe.protection(claims),
        "revocation_delay": dict([*describe.delays(claims), describe.here(claims, known)]), "used": dict(used),
    }  # fmt: skip
    if use is None:
        return Answer(f"valid: granted by {chain.root.issuer} to {claims.licensee.party}", facts=facts, body=body)
    granted = license_use.judged(desk, file, chain, use, field, territory)
    facts |= {"allowed": True, "notes": list(granted.notes), "lapsed": granted.lapsed}
    said = f"{use} is allowed" + (f"; {granted.notes[0]}" if granted.notes else "")
    return Answer(said, FOUND if granted.lapsed else 0, facts, [*body, *granted.notes])


@command("take", group=license, examples=["countermark license take plant.licence beacon.json revoked.json"])
@click.argument("file", type=PATH)
@click.argument("carried", nargs=-1, required=True, type=PATH)
@with_desk
def take(file: Path, carried: tuple[Path, ...], desk: Desk) -> Answer:
    """Keep what the licensor sent: beacons, lists of revoked licences, resets. Each is verified first.

    A running guard reads them within a minute.
    """
    from countermark.lifecycle import license_words

    found = license_words.take(desk, file, carried)
    return Answer(f"kept beside {file.name}: {count(len(found), 'signed word')}",
                  facts={"taken": [{"kind": kind, "time": time} for kind, time in found]},
                  body=[Table(("what", "signed"), found)])  # fmt: skip


@command("host", group=license, examples=[
    "countermark license host tpm:handle=0x81010001 --ek ek.pem --pcr 7 --pcr 16 --counter 0x01800010 --out host.json",
])  # fmt: skip
@click.argument("tpm", metavar="URI")
@click.option("--ek", type=PATH, required=True, metavar="PEM", help="Public half of the TPM's endorsement key.")
@click.option(
    "--pcr",
    "pcrs",
    multiple=True,
    required=True,
    type=click.IntRange(0, 23),
    help="Register that is to hold; repeat it.",
)
@click.option(
    "--counter",
    metavar="INDEX",
    help="NV counter that anchors the counts, one for each licence; made where it is not there.",
)
@OUT
@with_desk
def host(tpm: str, ek: Path, pcrs: tuple[int, ...], counter: str | None, out: Path, desk: Desk) -> Answer:
    """Write what a licensor needs to bind a licence to this host's TPM: `license grant --host FILE`.

    With a counter, a state that is put back from a backup or deleted is noticed. The licensor checks the endorsement key against
    its maker's certificate: nothing here does.
    """
    from countermark import canonical
    from countermark.lifecycle import license_use

    try:
        index = None if counter is None else int(counter, 0)
    except ValueError:
        raise Unusable(f"--counter is {counter!r:.40}", mend="--counter 0x01800010") from None
    binding = license_use.tpm_host(tpm, ek, sorted(set(pcrs)), index).to_json()
    desk.space.disk.write(out, canonical.to_bytes(binding), mode=0o644)
    return Answer(f"written: {out.name}; hand it to the licensor", facts={"host": binding, "file": str(out)})


@command("revoke", group=license, examples=[
    "countermark license revoke plant.licence --out revoked.json",
    "countermark license revoke --renew --out revoked.json",
])  # fmt: skip
@click.argument("files", nargs=-1, type=PATH, metavar="[FILE]...")
@click.option("--renew", is_flag=True, help="Sign the same list anew, for another while.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Until the next list.")
@OUT
@with_desk
def revoke(files: tuple[Path, ...], renew: bool, days: int, out: Path, desk: Desk) -> Answer:
    """Revoke the last licence of each file, and with it all that was narrowed from it.

    Writes the new list of revoked licences. Hosts obey it when they have it; beacons signed from now on name it, so that a host
    with a newer beacon asks for it.
    """
    from countermark.licence import describe
    from countermark.lifecycle import license as licensing

    chains = [licensing.read(desk, file).chain for file in files]
    foreign = [file.name for file, chain in zip(files, chains, strict=True) if chain.leaf.issuer != desk.party]
    if foreign or bool(files) == renew:
        raise Unusable(f"{desk.party} did not grant {foreign[0]}" if foreign else "which licences?",
                       mend="name files of licences that this party granted, or --renew")  # fmt: skip
    line, said = licensing.revoke(desk, [chain.leaf.digest for chain in chains], days=days)
    desk.space.disk.write(out, line, mode=0o644)
    felt = [
        (chain.leaf.digest[:16], *(f"{name}: {text}" for name, text in describe.delays(chain.claims)))
        for chain in chains
    ]
    return Answer(
        f"revoked: {count(len(chains), 'licence')}; list {said.epoch} is in {out.name}, hand it to the licensees",
        facts={
            "epoch": said.epoch,
            "licences": sorted(said.licences),
            "next_update": said.next_update,
            "file": str(out),
        },
        body=[Table(("licence", "felt after at most", "", ""), felt)] if felt else [],
    )


@command("beacon", group=license, examples=[
    "countermark license beacon --out beacon.json",
    "countermark license beacon --since 2026-11-01T00:00:00Z --out beacons.json",
    "countermark license beacon --answer 5bbd571587e5f74f --out answer.json",
    "countermark license beacon --reset 5bbd571587e5f74f --reason 'the clock battery died' --out reset.json",
])  # fmt: skip
@click.option("--since", metavar="TIME", help="Write all beacons signed since then, for a host that was away.")
@click.option("--answer", default="", metavar="CODE", help="Answer a host whose clock had run ahead.")
@click.option("--reset", metavar="CODE", help="As an owner, with the root key: set that host's memory to now.")
@click.option("--reason", default="", metavar="TEXT", help="For every reader of the reset.")
@OUT
@with_desk
def beacon(since: str | None, answer: str, reset: str | None, reason: str, out: Path, desk: Desk) -> Answer:
    """Sign what time it is: less than 1 KiB, to be carried on a stick.

    A lease lasts from one beacon to the next. Only the time key that a licence names counts, one beacon moves a host's time by at
    most one lease, and a host's own clock moves it never.
    """
    from countermark.lifecycle import license as licensing

    if sum(map(bool, (since, answer, reset))) > 1:
        raise Unusable("one of --since, --answer and --reset at a time")
    if reset:
        data, what = licensing.reset(desk, reset, reason), "a reset for one host"
    elif since:
        licensing.beacon(desk)
        data = licensing.beacons_since(desk, since)
        what = count(len(data.splitlines()), "beacon")
    else:
        data, what = licensing.beacon(desk, answers=answer), "a beacon"
    desk.space.disk.write(out, data, mode=0o644)
    return Answer(f"signed: {what}, {len(data)} bytes in {out.name}; there: `countermark license take LICENCE {out.name}`",
                  facts={"file": str(out), "bytes": len(data), "lines": len(data.splitlines())})  # fmt: skip


@command("move", group=license, examples=[
    "countermark license move plant.licence --out receipt.json",
    "countermark license move plant.licence --receipt receipt.json --host-key new-host.pem --out moved.licence",
])  # fmt: skip
@click.argument("file", type=PATH)
@click.option("--receipt", type=PATH, metavar="FILE", help="At the licensor: what the licensee signed.")
@click.option("--to", metavar="PARTY", help="Another licensee, where the licence allows transfer.")
@click.option("--tpm", default="", metavar="URI", help="TPM that the licence given back was used with.")
@click.option(
    "--broker", "broker_url", default="", metavar="URL", help="Of the broker that counts for the licence given back."
)
@terms
@OUT
@with_desk
def move(
    file: Path,
    receipt: Path | None,
    to: str | None,
    tpm: str,
    broker_url: str,
    named: dict[str, Any],
    out: Path,
    desk: Desk,
) -> Answer:
    """Give a licence back (at the licensee), then grant it anew for another host (at the licensor, with --receipt).

    Without --receipt this workspace never uses the licence again, and a return receipt is signed. With a software key that is a
    promise: nobody can see a copy of the key die. Where the licence names a broker that counts, --broker has it refuse this host from
    then on, and nothing is granted anew without its word. With --receipt the old licence is revoked, and OUT.revoked is the new list.
    """
    from countermark.lifecycle import license as licensing
    from countermark.lifecycle import license_use
    from countermark.lifecycle.desk import read_envelope

    if receipt is None:
        envelope, rests_on = license_use.give_back(desk, file, compose.elapsed, tpm=tpm, meter=broker_url)
        desk.space.disk.write(out, envelope.to_bytes(), mode=0o644)
        held = "; the broker takes no more of this host" if rests_on == "broker" else ""
        return Answer(f"given back: {file.name} is not used here again{held}; hand {out.name} to the licensor",
                      facts={"file": str(out), "destroyed": rests_on})  # fmt: skip
    papers = licensing.read(desk, file)
    old = papers.chain.claims
    base = replace(old, licensee=licensing.licensee(desk, to)) if to else old
    keys = {"host": old.host.kind} if old.host and named.get("host_keys") and "host" not in named else {}
    envelopes, line = licensing.move(desk, papers, read_envelope(receipt), applied(desk, base, keys | named))
    answer = _written(desk, envelopes, out, "moved")
    desk.space.disk.write(out.with_name(out.name + ".revoked"), line, mode=0o644)
    return answer


def _digest(asset: str) -> str:
    if len(asset) == 64 and not set(asset) - set("0123456789abcdef"):
        return asset
    from countermark.artefact.folder import read_folder

    return read_folder(Path(asset)).digest


def _sublicensee(desk: Desk, party: str | None, to_key: Path | None, name: str | None) -> Licensee:
    from countermark.lifecycle import license as licensing
    from countermark.statement.predicates.licence_claims import Licensee

    if party and not to_key:
        return licensing.licensee(desk, party)
    if to_key and name and not party:
        return Licensee(name, name, public_key(to_key))
    raise Unusable("who is the sublicensee?", mend="--to PARTY, or --to-key FILE.pem with --name ID")


def _no_later(desk: Desk, above: Claims, days: float) -> float:
    """Days from now on, at most to the end of the licence above."""
    from countermark.keys.document import moment

    return min(days, (moment(above.not_after) - desk.now()).total_seconds() / 86_400)


def _used(chain: Chain, known: State | None) -> list[tuple[str, str]]:
    from countermark.licence import describe
    from countermark.licence.clock import stamp
    from countermark.licence.meter import counting

    if known is None:
        return []
    usage, quota = known.of(chain.leaf.digest), chain.claims.max_queries
    return [
        ("loads", str(usage.loads)), ("hosts", str(len(usage.hosts))),
        ("queries drawn", f"{usage.drawn} of {describe.queries(quota)}"),
        ("counting", counting(known.anchor)), ("newest authentic time", stamp(known.memory.mark)),
        ("list of revoked licences", f"epoch {known.memory.epoch} was named"),
        *([("state", "handed back: not used here again")] if known.given_up else []),
    ]  # fmt: skip


def _written(desk: Desk, envelopes: tuple[Envelope, ...], out: Path, done: str) -> Answer:
    """Write a licence file, and the licensor's list beside it where it asks for one."""
    from countermark.licence.chain import to_file
    from countermark.licence.describe import delays, protection
    from countermark.lifecycle import license as licensing
    from countermark.statement.predicates.licence import Licence
    from countermark.statement.predicates.licence_claims import Revocation
    from countermark.statement.statement import Statement

    desk.space.disk.write(out, to_file(envelopes), mode=0o644)
    claims = Licence.from_json(Statement.from_bytes(envelopes[-1].payload).predicate).claims
    newest = licensing.newest_list(desk)
    if isinstance(claims.revocation, Revocation) and newest is not None and len(envelopes) == 1:
        desk.space.disk.write(out.with_name(out.name + ".revoked"), newest[0], mode=0o644)
    signed = {s.keyid for s in envelopes[-1].signatures}
    missing = claims.co_signers - {p.id for p in desk.trust().document.parties for k in p.keys if k.key.id in signed}
    denied = [name for name, value in claims.to_json().items() if value in ([], 0, {"count": 0, "window": 0})]
    rows = [("licence", envelopes[-1].digest), ("protection", protection(claims)),
            *(("revocation felt after", f"{name}: {text}") for name, text in delays(claims))]  # fmt: skip
    if denied:
        rows.append(("denied, because not named", ", ".join(sorted(set(denied) - {"co_signers"})) or "nothing"))
    words = f"; it counts once {', '.join(sorted(missing))} signed too" if missing else ""
    return Answer(f"{done}: {out.name} for {claims.licensee.party}{words}",
                  facts={"licence": envelopes[-1].digest, "file": str(out), "claims": claims.to_json(), "awaits": sorted(missing)},
                  body=[Pairs(rows)])  # fmt: skip
