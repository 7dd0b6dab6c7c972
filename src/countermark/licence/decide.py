"""The one decision: a request, a chain, the time and the licensor's word in; a handle or a refusal that names its claim out.

Pure: no files, no clocks, no keys. Counts are the meter's (`meter`), because they change with every use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from countermark.licence.chain import Chain
from countermark.licence.claim_words import span
from countermark.licence.clock import Reading, seconds, stamp
from countermark.licence.host import ProvenHost
from countermark.licence.refusal import LicenceRefused
from countermark.licence.word import Listed
from countermark.statement.predicates.licence_claims import ANY, Claims, Lease, Revocation, Subject
from countermark.statement.predicates.licence_host import HostBinding

RENEW = "ask the licensor for a new licence"


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody is about to do.

    Attributes:
        use: of `licence_claims.USES`. subject: what with. field_of_use, territory: what for and where, as the licensee says it.
        host: who answered here.
    """

    use: str
    subject: Subject
    host: ProvenHost
    field_of_use: str = ""
    territory: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """A handle to a decision that allows.

    Attributes:
        until: POSIX seconds; from then on it has to be decided again. notes: what its user must be told.
        lapsed: whether it goes on by ``on_lapse: advisory`` alone.
    """

    chain: Chain
    request: Request
    until: int
    notes: tuple[str, ...] = ()
    lapsed: bool = False


def decide(request: Request, chain: Chain, reading: Reading, lists: Sequence[Listed] = (), epoch: int = 0) -> Granted:
    """Decide by the leaf, under which every link above allows as much or more.

    In this order: 1. subject; 2. uses; 3. not_before, not_after; 4. field_of_use; 5. territory; 6. host; 7. max_hosts, max_loads
    and max_queries are not nought; 8. revocation, of every link; 9. lease.

    Args:
        lists: verified lists of revoked licences. epoch: the highest that the licensor named.

    Raises:
        LicenceRefused: the first claim that does not allow it.
    """
    claims = chain.claims
    permits(claims, request, reading.now)
    notes = _standing(chain, reading, lists, epoch)
    until, more, lapsed = _leased(claims, reading)
    return Granted(chain, request, min(until, seconds(claims.not_after)), (*notes, *more), lapsed)


def permits(claims: Claims, request: Request, now: int) -> None:
    """Steps 1 to 7: what the claims of one licence say by themselves.

    Raises:
        LicenceRefused: the first claim that does not allow it.
    """
    _refuse_other_subject(claims.subject, request.subject)
    _need("uses", request.use, claims.uses, "name what it is used for (--use)")
    if now < seconds(claims.not_before):
        raise LicenceRefused(
            "not_before", expected=f"from {claims.not_before} on", seen=stamp(now), mend="wait, or set the clock"
        )
    if now >= seconds(claims.not_after):
        raise LicenceRefused("not_after", expected=f"before {claims.not_after}", seen=stamp(now), mend=RENEW)
    _need("field_of_use", request.field_of_use, claims.field_of_use, "name the field that it is used for (--field)")
    _need("territory", request.territory, claims.territory, "name the place that it is used in (--territory)")
    _refuse_other_host(claims.host, request.host)
    queries = None if claims.max_queries is None else claims.max_queries.count
    for claim, most in (("max_hosts", claims.max_hosts), ("max_loads", claims.max_loads), ("max_queries", queries)):
        if most == 0:
            raise LicenceRefused(claim, expected="at most 0", seen="1", mend=RENEW)


def _refuse_other_host(granted: HostBinding | None, seen: ProvenHost) -> None:
    if granted is not None and granted.kind == "none":
        return
    named = {key.id for key in granted.keys} if granted else set()
    if granted is None or granted.kind != seen.kind or (named and seen.name not in named):
        raise LicenceRefused("host", expected=granted.kind if granted else "nothing: no host is granted",
                             seen=f"{seen.kind} {seen.name[:16]}".rstrip(), mend="prove this host by what the licence names")  # fmt: skip


def _refuse_other_subject(granted: Subject, seen: Subject) -> None:
    for name in ("digest", "ciphertext_root", "manifest"):
        asked, got = getattr(granted, name), getattr(seen, name)
        if asked is not None and asked != got:
            raise LicenceRefused("subject", expected=f"{name} {asked[:16]}", seen=(got or "none")[:16],
                                 mend="use the files that the licence names, as its licensor delivered them")  # fmt: skip


def _need(claim: str, asked: str, granted: frozenset[str], name: str) -> None:
    """Args: name: the next step of whoever named nothing."""
    if asked not in granted and ANY not in granted:
        mend = name if granted and not asked else f"ask the licensor for a licence that grants {asked or claim}"
        raise LicenceRefused(claim, expected=" or ".join(sorted(granted)) or "nothing: it is not granted",
                             seen=asked or "nothing named", mend=mend)  # fmt: skip


def _standing(chain: Chain, reading: Reading, lists: Sequence[Listed], epoch: int) -> list[str]:
    """Whether a link was revoked, and whether the lists at hand are new enough to tell."""
    for listed in lists:
        for link in chain.links[listed.first :]:
            if link.digest in listed.said.licences:
                raise LicenceRefused("revocation", expected="a licence that stands", seen=f"{link.digest[:16]} was revoked "
                                     f"(epoch {listed.said.epoch})", mend=RENEW)  # fmt: skip
    asked = chain.claims.revocation
    if asked is None:
        raise LicenceRefused("revocation", expected="the word none, or a list", seen="nothing", mend=RENEW)
    return _newest_list(chain.claims, asked, reading, lists, epoch) if isinstance(asked, Revocation) else []


def _newest_list(claims: Claims, asked: Revocation, reading: Reading, lists: Sequence[Listed], epoch: int) -> list[str]:
    newest = max((listed.said for listed in lists if listed.first == 0), key=lambda said: said.epoch, default=None)
    least = max(asked.epoch, epoch)
    mend = f"fetch the newest list ({asked.list}) and put it beside the licence"
    if least and (newest is None or newest.epoch < least):
        raise LicenceRefused("revocation", expected=f"a list of epoch {least}",
                             seen=f"epoch {newest.epoch}" if newest else "no list", mend=mend)  # fmt: skip
    lease = claims.lease if isinstance(claims.lease, Lease) else None
    due = seconds(newest.next_update) if newest else reading.now + 1
    if reading.now < due or newest is None:
        return []
    told = f"the list of revoked licences was due for renewal on {newest.next_update}: {mend}"
    if lease is not None and reading.now < due + lease.grace:
        return [f"in grace until {stamp(due + lease.grace)}: {told}"]
    if lease is not None and lease.on_lapse == "advisory":
        return [f"advisory: {told}"]
    raise LicenceRefused(
        "revocation", expected=f"a list that is renewed by {newest.next_update}", seen=stamp(reading.now), mend=mend
    )


def _leased(claims: Claims, reading: Reading) -> tuple[int, list[str], bool]:
    """Until when the lease allows, what to tell, and whether it has lapsed."""
    lease = claims.lease
    if lease is None:
        raise LicenceRefused("lease", expected="the word none, or a lease", seen="nothing", mend=RENEW)
    if not isinstance(lease, Lease):
        return seconds(claims.not_after), [], False
    ages, ends = reading.mark + lease.max_age, reading.mark + lease.max_age + lease.grace
    if reading.now < ages:
        return ages, [], False
    beacon = "bring a beacon that the licensor signed after " + stamp(reading.mark)
    if reading.now < ends:
        return ends, [f"in grace until {stamp(ends)}: {beacon}"], False
    if lease.on_lapse == "advisory":
        return reading.now + lease.max_age, [f"advisory: the lease lapsed on {stamp(ends)}: {beacon}"], True
    raise LicenceRefused("lease", expected=f"word of the licensor within {span(lease.max_age)} and {span(lease.grace)} of grace",
                         seen=f"{stamp(reading.now)}, the newest is of {stamp(reading.mark)}", mend=beacon)  # fmt: skip
