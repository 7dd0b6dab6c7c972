"""A licence in people's words: every claim, the protection class, and how long a revocation takes to be felt."""

from __future__ import annotations

from countermark.licence.chain import Chain
from countermark.licence.state import State
from countermark.licence.tenure import LOOK_SECONDS
from countermark.statement.predicates.licence_claims import Claims, Lease, Quota, Revocation, Subject
from countermark.statement.predicates.licence_host import HostBinding, Kind

AT_REST, FIRST_LOAD, HOST_BOUND, ATTESTED = "at rest", "until first load", "host-bound", "attested"
UNSEALED = "none: the files are not sealed, and only a guard that its operator leaves alone holds to the licence"
_CLASSES: dict[Kind, str] = {
    "none": AT_REST, "software-key": FIRST_LOAD, "pkcs11-key": HOST_BOUND, "tpm": HOST_BOUND, "tee": ATTESTED,
}  # fmt: skip
UNBOUNDED = "not bounded against the host's owner"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def protection(claims: Claims) -> str:
    """The protection class: what stands between the licensed thing and whoever has the host."""
    if claims.host is None or claims.subject.ciphertext_root is None:
        return UNSEALED
    return _CLASSES[claims.host.kind]


def span(seconds: int) -> str:
    """A length of time: ``7 d``, ``36 h``, ``90 s``."""
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


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
        ("subject", _subject(claims.subject)),
        ("uses", _words(claims.uses)),
        ("not_before", claims.not_before),
        ("not_after", claims.not_after),
        ("field_of_use", _words(claims.field_of_use)),
        ("territory", _words(claims.territory)),
        ("host", host(claims.host)),
        ("max_loads", _count(claims.max_loads)),
        ("max_queries", queries(claims.max_queries)),
        ("max_hosts", _count(claims.max_hosts)),
        ("lease", _lease(claims.lease)),
        ("revocation", _revocation(claims.revocation)),
        ("sublicense", f"depth {claims.sublicense.depth}: {_words(claims.sublicense.uses)}"),
        ("transfer", "allowed" if claims.transfer else "denied"),
        ("derivatives", claims.derivatives),
        ("fingerprint", claims.fingerprint or "none"),
        ("text", claims.text or "none"),
        ("co_signers", ", ".join(sorted(claims.co_signers)) or "none"),
    ]


def host(binding: HostBinding | None) -> str:
    """A host binding, for people."""
    if binding is None:
        return "denied"
    if binding.keys:
        counted = f", counted by {binding.broker.partition('+')[0]}" if binding.broker else ""
        return f"{binding.kind} {', '.join(key.id[:16] for key in binding.keys)}{counted}"
    if binding.kind == "tpm":
        return f"tpm {binding.ek[:16]}, PCR {', '.join(str(index) for index, _ in binding.pcrs)}"
    return f"{binding.kind} {', '.join(sorted(binding.measurements))}".rstrip()


def queries(quota: Quota | None) -> str:
    """A quota, for people."""
    if quota is None:
        return "unlimited"
    return f"{quota.count} in {span(quota.window)}" if quota.window else f"{quota.count} in all"


def _subject(subject: Subject) -> str:
    sealed = f", sealed as {subject.ciphertext_root[:16]}" if subject.ciphertext_root else ", not sealed"
    return subject.digest + sealed


def _words(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "denied"


def _count(value: int | None) -> str:
    return "unlimited" if value is None else str(value)


def _lease(lease: Lease | str | None) -> str:
    if not isinstance(lease, Lease):
        return lease or "denied"
    return f"{span(lease.max_age)}, grace {span(lease.grace)}, then {lease.on_lapse}; beacons by key {lease.time_key.id[:16]}"


def _revocation(asked: Revocation | str | None) -> str:
    if not isinstance(asked, Revocation):
        return asked or "denied"
    return f"{asked.list}, epoch {asked.epoch} or newer"
