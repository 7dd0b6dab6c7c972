"""At the licensee: `countermark license explain`, `take`, `host`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.cli._answer import FOUND, Answer, Pairs, Table
from countermark.cli._command import PATH, command, with_desk
from countermark.cli._license import OUT, licences
from countermark.cli._license_options import USES
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.licence.chain import Chain
    from countermark.licence.state import State
    from countermark.lifecycle.desk import Desk


@command("explain", group=licences, examples=[
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
        "a revocation is felt after at most", Pairs([*describe.delays(claims), describe.here(claims, known)]), "",
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


@command("take", group=licences, examples=["countermark license take plant.licence beacon.json revoked.json"])
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


@command("host", group=licences, examples=[
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


def _used(chain: Chain, known: State | None) -> list[tuple[str, str]]:
    from countermark.licence import claim_words
    from countermark.licence.clock import stamp
    from countermark.licence.meter import counting

    if known is None:
        return []
    usage, quota = known.of(chain.leaf.digest), chain.claims.max_queries
    return [
        ("loads", str(usage.loads)), ("hosts", str(len(usage.hosts))),
        ("queries drawn", f"{usage.drawn} of {claim_words.queries(quota)}"),
        ("counting", counting(known.anchor)), ("newest authentic time", stamp(known.memory.mark)),
        ("list of revoked licences", f"epoch {known.memory.epoch} was named"),
        *([("state", "handed back: not used here again")] if known.given_up else []),
    ]  # fmt: skip
