"""Chains of licences: the owner's grant first, then sublicences that only narrow, each signed by the licensee above it.

Bytes, a trust handle and a clock reading in, a `Chain` handle or an exception out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from countermark import dsse
from countermark.errors import SignatureRefused, StatementRefused
from countermark.keys.document import moment
from countermark.keys.trust import Trust
from countermark.keys.verifier import PublicKey
from countermark.licence.lattice import refuse_widening
from countermark.licence.refusal import LicenceRefused
from countermark.licence.signature import refuse_other
from countermark.statement.predicates.licence import LICENCE, Licence
from countermark.statement.predicates.licence_claims import MOST_DEPTH, Claims, Lease
from countermark.statement.statement import Statement

MOST_LINKS = MOST_DEPTH + 1
MOST_LICENCE_BYTES = 64 << 10
MOST_FILE_BYTES = MOST_LINKS * 2 * MOST_LICENCE_BYTES
NO_LICENCE = "name a file that `countermark license grant` or `narrow` wrote"
_DATA_USES, _MODEL_USES = frozenset({"train-on"}), frozenset({"infer", "fine-tune", "distil", "quantise", "embed"})


@dataclass(frozen=True, slots=True)
class Link:
    """One verified licence.

    Attributes:
        digest: of the payload, hex; the licence's name. issuer: party that granted it. key: licensee's key of the link above, by
            which it was issued; None for the owner's grant.
    """

    digest: str
    issuer: str
    licence: Licence
    key: PublicKey | None

    @property
    def claims(self) -> Claims:
        """What it says."""
        return self.licence.claims


@dataclass(frozen=True, slots=True)
class Chain:
    """A handle to licences whose signatures hold and that only narrow, the owner's first.

    Attributes:
        project: fingerprint of the trust document under which they were verified.
    """

    links: tuple[Link, ...]
    project: str

    @property
    def root(self) -> Link:
        """The owner's grant."""
        return self.links[0]

    @property
    def leaf(self) -> Link:
        """The narrowest: what counts here."""
        return self.links[-1]

    @property
    def claims(self) -> Claims:
        """Of the leaf; every other link allows as much or more."""
        return self.leaf.claims

    @property
    def issued(self) -> datetime:
        """When the owner's grant was signed: a sublicensor's word about the time counts for nothing."""
        return moment(self.root.licence.context.time)


def from_file(data: bytes, what: str = "licence file") -> tuple[dsse.Envelope, ...]:
    """Envelopes of a licence file: one a line, the owner's grant first.

    Args:
        what: its name, for errors.

    Raises:
        StatementRefused: malformed, too large, or too many.
    """
    if len(data) > MOST_FILE_BYTES:
        raise StatementRefused(
            f"{what} has {len(data)} bytes", why=f"at most {MOST_FILE_BYTES} of a licence are read", mend=NO_LICENCE
        )
    lines = data.splitlines()
    if not 1 <= len(lines) <= MOST_LINKS:
        raise StatementRefused(
            f"{what} holds {len(lines)} licences", why=f"1 to {MOST_LINKS} make a chain", mend=NO_LICENCE
        )
    return tuple(_envelope(line, at, what) for at, line in enumerate(lines, 1))


def _envelope(line: bytes, at: int, what: str) -> dsse.Envelope:
    try:
        found = dsse.Envelope.from_bytes(line, what=f"line {at}")
        found.statement_bytes()
    except StatementRefused as error:
        raise StatementRefused(
            f"{what} holds no licence", why=f"{error.what}{error.why and f': {error.why}'}", mend=NO_LICENCE
        ) from error
    return found


def to_file(envelopes: Sequence[dsse.Envelope]) -> bytes:
    """The form that `from_file` reads."""
    return b"".join(envelope.to_bytes() + b"\n" for envelope in envelopes)


def verify(envelopes: Sequence[dsse.Envelope], trust: Trust, now: datetime) -> Chain:
    """Verify a chain.

    1. it has 1 to 8 links; 2. each is a licence of this project, for the licensee it names, about the subject it names;
    3. the first is signed by one owner, whose role allows the uses, with a licence key that counts now; 4. each further one names
    the one above as its parent and is signed by the key of that one's licensee; 5. all co-signers that a link names signed it;
    6. each link narrows the one above on every claim; 7. no time key is also a key of the project or of a licensee.

    Args:
        now: for keys that end.

    Raises:
        SignatureRefused, TrustRefused, StatementRefused, LicenceRefused: a step fails.
    """
    if not 1 <= len(envelopes) <= MOST_LINKS:
        raise StatementRefused(f"a chain of {len(envelopes)} licences", why=f"1 to {MOST_LINKS} make one")
    links: list[Link] = []
    for envelope in envelopes:
        licence = _parsed(envelope, trust)
        if links:
            links.append(_sublicence(envelope, licence, links[-1], trust, now))
        else:
            links.append(_grant(envelope, licence, trust, now))
    _refuse_time_keys(links, trust)
    return Chain(tuple(links), trust.fingerprint)


def _parsed(envelope: dsse.Envelope, trust: Trust) -> Licence:
    payload = envelope.statement_bytes()
    if len(payload) > MOST_LICENCE_BYTES:
        raise StatementRefused(f"a licence of {len(payload)} bytes", why=f"at most {MOST_LICENCE_BYTES} are read")
    statement = Statement.from_bytes(payload, what="licence")
    if statement.predicate_type != LICENCE:
        raise StatementRefused(
            "this statement is no licence", why=f"it is of type {statement.predicate_type:.120}", mend=NO_LICENCE
        )
    licence = Licence.from_json(statement.predicate)
    if licence.context.project != trust.fingerprint:
        raise LicenceRefused("project", expected=trust.fingerprint[:16], seen=licence.context.project[:16],
                             mend="pin the project that granted it: `countermark trust pin FINGERPRINT`")  # fmt: skip
    if licence.context.addressee != licence.claims.licensee.party or statement.digest != licence.claims.subject.digest:
        raise StatementRefused("a licence whose addressee or subject differs from its claims")
    return licence


def _grant(envelope: dsse.Envelope, licence: Licence, trust: Trust, now: datetime) -> Link:
    if licence.parent is not None:
        raise StatementRefused("the first licence of the file names one above it", mend="ask for the whole chain")
    signers = _parties(envelope, trust, now)
    licensors = sorted(signers - licence.claims.co_signers)
    if len(licensors) != 1:
        raise LicenceRefused("signature", expected="one licensor beside the co-signers",
                             seen=", ".join(licensors) or "none", mend="a licensor is no co-signer of its own")  # fmt: skip
    roles = set(trust.document.party(licensors[0]).roles)
    for role, uses in (("data-owner", _DATA_USES), ("model-owner", _MODEL_USES)):
        if licence.claims.uses & uses and role not in roles:
            raise LicenceRefused("uses", expected=f"{', '.join(sorted(licence.claims.uses & uses))} granted by a {role}",
                                 seen=f"{licensors[0]}: {', '.join(sorted(roles)) or 'no role'}",
                                 mend=f"leave the use out, or have a {role} grant it")  # fmt: skip
    if not roles & {"data-owner", "model-owner"}:
        raise LicenceRefused(
            "signature", expected="an owner", seen=f"{licensors[0]}: {', '.join(sorted(roles)) or 'no role'}",
            mend="an owner grants it; a licensee narrows what it holds (`countermark license narrow`)",
        )  # fmt: skip
    _refuse_unsigned(licence, signers)
    return Link(envelope.digest, licensors[0], licence, None)


def _sublicence(envelope: dsse.Envelope, licence: Licence, above: Link, trust: Trust, now: datetime) -> Link:
    if licence.parent != above.digest:
        raise LicenceRefused("parent", expected=above.digest[:16], seen=str(licence.parent)[:16],
                             mend="the links of a chain stand in order, the owner's grant first")  # fmt: skip
    key = above.claims.licensee.key
    holder = above.claims.licensee.party
    refuse_other(
        envelope, key, "sublicence", f"{holder}, the licensee above it", f"{holder} narrows it with its own key"
    )
    signers = _parties(envelope, trust, now) if licence.claims.co_signers else frozenset[str]()
    refuse_widening(licence.claims, above.claims)
    _refuse_unsigned(licence, signers)
    return Link(envelope.digest, above.claims.licensee.party, licence, key)


def _parties(envelope: dsse.Envelope, trust: Trust, now: datetime) -> frozenset[str]:
    """Parties of the project whose licence keys signed; each one's signatures are judged as if they stood alone."""
    named = {s.keyid for s in envelope.signatures}
    found = set()
    for party in trust.document.parties:
        keys = {k.key.id for k in party.keys if k.key.use == "licence"} & named
        if keys:
            own = tuple(s for s in envelope.signatures if s.keyid in keys)
            alone = dsse.Envelope(envelope.payload_type, envelope.payload, own)
            found.add(trust.verify(alone, "licence", now).party.id)
    if not found:
        raise SignatureRefused("no licence key of this project signed this licence",
                               mend="ask the licensor; its owners enrol licence keys (`countermark party add`)")  # fmt: skip
    return frozenset(found)


def _refuse_unsigned(licence: Licence, signers: frozenset[str]) -> None:
    if missing := sorted(licence.claims.co_signers - signers):
        raise LicenceRefused("co_signers", expected=", ".join(sorted(licence.claims.co_signers)),
                             seen=f"no signature of {', '.join(missing)}",
                             mend=f"{', '.join(missing)} signs it: `countermark license sign FILE`")  # fmt: skip


def _refuse_time_keys(links: Sequence[Link], trust: Trust) -> None:
    """Whoever can make beacons must not be able to grant, and a licensee must not make its own time."""
    taken = {k.key.id for p in trust.document.parties for k in p.keys}
    taken |= {link.claims.licensee.key.id for link in links}
    for link in links:
        lease = link.claims.lease
        if isinstance(lease, Lease) and lease.time_key.id in taken:
            raise LicenceRefused("lease", expected="a time key of its own", seen=f"key {lease.time_key.id[:16]}, which is used",
                                 mend="`countermark license grant` makes one")  # fmt: skip
