"""A licence in people's words: every claim, the protection class, and how long a revocation takes to be felt."""

from __future__ import annotations

from dataclasses import replace

from countermark.licence.chain import Chain
from countermark.licence.claim_words import CLAIMS, said, span
from countermark.licence.state import State
from countermark.licence.tenure import LOOK_SECONDS
from countermark.statement.predicates.licence_claims import Claims, Lease, Revocation
from countermark.statement.predicates.licence_host import Kind

AT_REST, FIRST_LOAD, HOST_BOUND, ATTESTED = "at rest", "until first load", "host-bound", "attested"
UNSEALED = "none: the files are not sealed, and only a guard that its operator leaves alone holds to the licence"
_CLASSES: dict[Kind, str] = {
    "none": AT_REST, "software-key": FIRST_LOAD, "pkcs11-key": HOST_BOUND, "tpm": HOST_BOUND, "tee": ATTESTED,
}  # fmt: skip
UNBOUNDED = "not bounded against the host's owner"


def protection(claims: Claims) -> str:
    """The protection class: what stands between the licensed thing and whoever has the host."""
    if claims.host is None or claims.subject.ciphertext_root is None:
        return UNSEALED
    return _CLASSES[claims.host.kind]


BROKER, TPM, SOFTWARE, HERE = "broker", "TPM", "software", "here"


def delays(claims: Claims) -> list[tuple[str, str]]:
    """The longest time from a revocation until it is felt under this licence, by broker, TPM and software; of what takes no part it is said so."""
    bound, felt = claims.host, _felt(claims)
    none = (BROKER, "no part: this licence names no broker that counts; what a broker released of a sealed asset stays")
    if bound is not None and bound.broker:
        ended = f"{span(LOOK_SECONDS)} of wall time after its operator ends the meter"
        by_lease = felt.replace(OF_TIME, " of wall time by its clock")
        told = f"{ended}, else {by_lease}; without its answer nothing is loaded or asked"
        return [(BROKER, told), (TPM, NOT_BOUND), (SOFTWARE, "no part: nothing is loaded here without the broker")]
    if bound is None or bound.kind != "tpm":
        return [none, (TPM, NOT_BOUND), (SOFTWARE, _unbounded(felt))]
    if bound.counter is None:
        why = "the licence names no counter of it, and who deletes the state begins anew"
        return [none, (TPM, _unbounded(felt, why)), (SOFTWARE, NOT_WITHOUT)]
    return [none, (TPM, felt.replace(OF_TIME, " of powered-on time")), (SOFTWARE, NOT_WITHOUT)]


NOT_BOUND = "no part: this licence is not bound to one"
OF_TIME = " of time"
NOT_WITHOUT = "no part: nothing is loaded here without the TPM"


def _felt(claims: Claims) -> str:
    """How long it takes where nobody turns clock or files back."""
    lease = claims.lease
    if not isinstance(lease, Lease):
        return f"without a lease when a newer list arrives, at the latest on {claims.not_after}"
    longest = span(lease.max_age + lease.grace)
    if lease.on_lapse == "advisory":
        return f"told after {longest}{OF_TIME}; never stops by itself (on_lapse is advisory)"
    if not isinstance(claims.revocation, Revocation):
        return f"{longest}{OF_TIME} after the last beacon; this licence asks for no list, so that it goes on while beacons come"
    return f"{longest}{OF_TIME}"


def _unbounded(felt: str, why: str = "") -> str:
    honest = felt.replace(OF_TIME, "")
    return f"{UNBOUNDED}{f': {why}' if why else ''}; {honest}{'' if ' on ' in honest else ' where its clock and files are left alone'}"


def here(claims: Claims, state: State | None) -> tuple[str, str]:
    """What of that holds on this host, by the state that lies here."""
    bound = claims.host
    if bound is not None and bound.broker:
        return HERE, "as by broker" + (
            f", {state.anchor}" if state is not None and state.anchor else ": to be named at the first load"
        )
    if bound is not None and bound.kind == "tpm":
        return HERE, "as by TPM" + (f", {state.anchor}" if state is not None and state.anchor else "")
    if state is not None and state.memory.chip is not None:
        return (
            HERE,
            "as by software; a TPM's clock takes part, which the licence does not ask for, and a deleted state begins without it",
        )
    return HERE, "as by software" + ("" if state is not None else "; not used here yet")


def rows(chain: Chain) -> list[tuple[str, str]]:
    """Every claim of the leaf, in the order in which they are decided."""
    claims = chain.claims
    return [
        ("licence", chain.leaf.digest),
        ("granted by", " > ".join(link.issuer for link in chain.links)),
        ("licensee", f"{claims.licensee.party} ({claims.licensee.organisation}), key {claims.licensee.key.id[:16]}"),
        *((claim, said(claim, getattr(claims, claim))) for claim in CLAIMS),
    ]


def denied(claims: Claims) -> list[str]:
    """Names of claims that grant nothing."""
    nothing = Claims(claims.licensee, claims.subject, claims.not_before, claims.not_after)  # every default denies
    seen = claims if claims.sublicense.depth else replace(claims, sublicense=nothing.sublicense)
    return sorted(name for name in _GRANTING if getattr(seen, name) == getattr(nothing, name))


_GRANTING = (
    "uses", "field_of_use", "territory", "max_loads", "max_queries", "max_hosts", "host", "lease", "revocation", "sublicense", "transfer",
    "derivatives",
)  # fmt: skip
