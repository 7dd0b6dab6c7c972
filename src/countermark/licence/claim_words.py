"""The values of claims in people's words, one way for explaining and for refusing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from countermark.statement.predicates.licence_claims import Lease, Quota, Revocation, Subject, Sublicense
from countermark.statement.predicates.licence_host import HostBinding

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


def said(claim: str, value: Any) -> str:
    """What a claim says.

    Args:
        claim: its name in the licence. value: as `Claims` holds it.
    """
    return _WORDS[claim](value)


def span(seconds: int) -> str:
    """A length of time: ``7 d``, ``36 h``, ``90 s``."""
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def host(binding: HostBinding | None) -> str:
    """A host binding."""
    if binding is None:
        return "denied"
    if binding.keys:
        counted = f", counted by {binding.broker.partition('+')[0]}" if binding.broker else ""
        return f"{binding.kind} {', '.join(key.id[:16] for key in binding.keys)}{counted}"
    if binding.kind == "tpm":
        counter = f", counter {binding.counter[0]:#x}" if binding.counter else ""
        return f"tpm {binding.ek[:16]}, PCR {', '.join(str(index) for index, _ in binding.pcrs)}{counter}"
    return f"{binding.kind} {', '.join(sorted(binding.measurements))}".rstrip()


def queries(quota: Quota | None) -> str:
    """A quota."""
    if quota is None:
        return "unlimited"
    return f"{quota.count} in {span(quota.window)}" if quota.window else f"{quota.count} in all"


def _subject(subject: Subject) -> str:
    sealed = f", sealed as {subject.ciphertext_root[:16]}" if subject.ciphertext_root else ", not sealed"
    manifest = f", manifest {subject.manifest[:16]}" if subject.manifest else ""
    return subject.digest + sealed + manifest


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


def _sublicense(granted: Sublicense) -> str:
    return f"depth {granted.depth}: {_words(granted.uses)}"


def _or_none(value: str | None) -> str:
    return value or "none"


_WORDS: dict[str, Callable[[Any], str]] = {
    "subject": _subject, "uses": _words, "not_before": str, "not_after": str, "field_of_use": _words, "territory": _words, "host": host,
    "max_loads": _count, "max_queries": queries, "max_hosts": _count, "lease": _lease, "revocation": _revocation, "sublicense": _sublicense,
    "transfer": lambda value: "allowed" if value else "denied", "derivatives": str, "fingerprint": _or_none, "text": _or_none,
    "co_signers": lambda values: ", ".join(sorted(values)) or "none",
}  # fmt: skip
CLAIMS = tuple(_WORDS)
"""Every claim but `licensee`, in the order in which they are decided and shown."""
