"""Parties and trust: making keys, enrolling, drafting, signing and pinning the trust document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from countermark import canonical, dsse
from countermark.canonical import Fields
from countermark.errors import SignatureRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys import held
from countermark.keys import signer as keyfiles
from countermark.keys.document import (
    OWNERS,
    PAYLOAD_TYPE,
    EnrolledKey,
    Party,
    Revocation,
    TrustDocument,
    enrolment_bytes,
    moment,
    prove_possession,
)
from countermark.keys.signer import Signer
from countermark.keys.trust import Trust, owners_signed, root_keys, verify_chain
from countermark.keys.uri import KeyUri
from countermark.keys.verifier import POST_QUANTUM, Algorithm, PublicKey, Use
from countermark.lifecycle.desk import CHAIN, MARK, MARK_LOCK, Desk, Mark, chain_bytes, read_chain, read_file
from countermark.workspace.place import Workspace

FORMAT = 1
TRUST_DAYS = 365
DRAFT = "draft.json"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a party hands to the owners: who it is and its public keys, each with a proof of possession."""

    id: str
    name: str
    organisation: str
    keys: tuple[EnrolledKey, ...]

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical.to_bytes(
            {
                "format": FORMAT,
                "id": self.id,
                "name": self.name,
                "organisation": self.organisation,
                "keys": [k.to_json() for k in self.keys],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Enrolment:
        """Parse strictly and check every proof of possession.

        Raises:
            StatementRefused, SignatureRefused: malformed, or a proof fails.
        """
        fields = Fields(canonical.from_bytes(data, what="enrolment"), "enrolment")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("enrolment of an unknown format", mend="update Countermark")
        out = cls(
            fields.text("id", most=64), fields.text("name", most=200), fields.text("organisation", most=200),
            tuple(_enrolled(k) for k in fields.items("keys")),
        )  # fmt: skip
        fields.done()
        for key in out.keys:
            prove_possession(out.id, key)
        return out

    def party(self, roles: Sequence[str], scope: Sequence[str]) -> Party:
        """The party as the owners enrol it."""
        return Party(self.id, self.name, self.organisation, tuple(roles), tuple(scope), self.keys)


def _enrolled(value: Any) -> EnrolledKey:
    fields = Fields(value, "enrolled key")
    key = PublicKey.from_json({n: fields.text(n) for n in ("use", "algorithm", "spki")})
    out = EnrolledKey(key, fields.base64("proof"), fields.optional_text("notAfter"))
    fields.done()
    if out.not_after is not None:
        moment(out.not_after)
    return out


def uses_for(roles: Sequence[str], *, ledger: bool = False) -> tuple[Use, ...]:
    """The single-use keys that a party of these roles needs."""
    uses: list[Use] = ["statement"]
    if OWNERS & set(roles):
        uses.append("root")
    if "model-owner" in roles:
        uses.append("oms")
    if ledger:
        uses.append("ledger")
    return tuple(uses)


def new_key(space: Workspace, use: Use, algorithm: Algorithm, passphrase: bytes | None) -> keyfiles.FileSigner:
    """Make and keep this party's key for one use; an old one is kept aside under its id.

    Raises:
        Unusable: the key cannot be written.
    """
    signer = keyfiles.generate(use, "ecdsa-p256" if use == "oms" and algorithm == "ed25519" else algorithm)
    second = algorithm in POST_QUANTUM
    _put_aside(space, use, signer.public.id, second=second)
    signer.save(space.folder("keys") / f"{use}{held.SECOND if second else '.pem'}", passphrase)
    return signer


def new_token_key(space: Workspace, use: Use, algorithm: Algorithm, where: KeyUri, pin: bytes | None) -> Signer:
    """Make this party's key for one use in a trusted element; an old one is kept aside.

    Raises:
        Unusable: it cannot be made there. MissingExtra: its library is absent.
    """
    made = held.make(where, use, algorithm, pin)
    _name_key(space, use, where, made)
    return made


def use_token_key(space: Workspace, use: Use, where: KeyUri, pin: bytes | None) -> Signer:
    """Take a key that is in a trusted element or service already as this party's for one use; an old one is kept aside.

    Raises:
        Unusable, SignatureRefused: it cannot be opened, or does not sign. MissingExtra: its library is absent.
    """
    found, pinned = held.take(where, use, pin)
    found.sign(b"countermark: does this key sign?")
    _name_key(space, use, pinned, found)
    return found


def _name_key(space: Workspace, use: Use, where: KeyUri, key: Signer) -> None:
    _put_aside(space, use, key.public.id, second=False)
    space.disk.write(space.folder("keys") / f"{use}.uri", where.text.encode() + b"\n", mode=0o600)


def _put_aside(space: Workspace, use: Use, newer: str, *, second: bool) -> None:
    """Keep what the newer key replaces, under a name that says so."""
    folder = space.folder("keys")
    for suffix in (held.SECOND,) if second else held.PRIMARY:
        path = folder / f"{use}{suffix}"
        if path.exists():
            space.disk.move(path, path.with_name(f"{use}.until-{newer[:16]}{suffix}"))


def enrolment(desk: Desk) -> Enrolment:
    """This party's enrolment, signed by each of its keys."""
    who = desk.space.party()
    keys = []
    for key in held.every(desk.space.home / "keys"):
        if key.use != "guard":
            signer = key.open(desk.passphrase)
            keys.append(EnrolledKey(signer.public, signer.sign(enrolment_bytes(who["id"], signer.public))))
    return Enrolment(who["id"], who["name"], who["organisation"], tuple(keys))


def first_draft(desk: Desk, project: str, parties: Sequence[Party], *, threshold: int, ledger: str) -> TrustDocument:
    """Version 1 of a project's trust document, unsigned.

    Args:
        threshold: how many owners must sign each version. ledger: id of the party that runs the ledger.
    """
    document = TrustDocument(
        project=project, version=1, issued=desk.stamp(), expires=_expiry(desk), previous=None, threshold=threshold,
        parties=tuple(parties), ledger_origin=f"countermark.invalid/{project}", ledger_operator=ledger,
        quorum="none", policies=(),
    )  # fmt: skip
    return save_draft(desk, document)


def save_draft(desk: Desk, document: TrustDocument) -> TrustDocument:
    """Keep a draft; signatures collected for an earlier draft are void.

    Raises:
        TrustRefused: the keeper would have two ledger keys, of which readers know only the older.
    """
    document.check()
    _refuse_two_ledger_keys(document)
    trust = desk.space.folder("trust")
    desk.space.disk.write(trust / DRAFT, document.to_bytes())
    desk.space.disk.unlink(trust / f"{DRAFT}.signed")
    return document


def _refuse_two_ledger_keys(document: TrustDocument) -> None:
    keeper = next((p for p in document.parties if p.id == document.ledger_operator), None)
    live = [k.key.id for k in (keeper.keys if keeper else ()) if k.key.use == "ledger" and not k.revoked]
    if keeper is not None and len(live) > 1:
        raise TrustRefused(
            f"{keeper.id} would have two keys for the ledger",
            why="readers go by the older; heads that the newer signs would verify nowhere",
            mend=f"first `countermark party revoke {keeper.id} --key {live[0][:16]} --reason TEXT`, then add the new one",
        )


def draft(desk: Desk) -> TrustDocument:
    """The draft in work, or a new one that follows the newest version.

    Raises:
        TrustRefused: there is neither.
    """
    path = desk.space.home / "trust" / DRAFT
    if path.exists():
        return TrustDocument.from_bytes(path.read_bytes())
    newest = desk.trust(expired=True)
    return replace(
        newest.document,
        version=newest.document.version + 1,
        previous=newest.envelopes[-1].digest,
        issued=desk.stamp(),
        expires=_expiry(desk),
    )


def _expiry(desk: Desk) -> str:
    return (desk.now() + timedelta(days=TRUST_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")


def replace_scope(party: Party, scope: Sequence[str]) -> Party:
    """The same party with another scope; earlier deliveries keep the scope they were admitted under."""
    return replace(party, scope=tuple(scope))


def name_policy(desk: Desk, digest: str) -> TrustDocument:
    """Draft that a policy counts in this project; a passport can bring no other.

    Args:
        digest: SHA-256 hex of the policy file's bytes.
    """
    document = draft(desk)
    return save_draft(desk, replace(document, policies=tuple(sorted({*document.policies, digest}))))


def name_quorum(desk: Desk, source: str) -> TrustDocument:
    """Draft which witnesses must have seen the ledger (C2SP tlog-policy text, or ``none``).

    Raises:
        TrustRefused, StatementRefused: it is malformed, names nobody's key, or the ledger's operator alone could meet it.
    """
    return save_draft(desk, replace(draft(desk), quorum=source))


def revoke(desk: Desk, party_id: str, *, key_id: str | None, reason: str, from_leaf: int) -> TrustDocument:
    """Draft the revocation of one key of a party, or of all its keys.

    Args:
        from_leaf: first ledger entry that no longer counts; earlier ones stay valid.

    Raises:
        TrustRefused: no such party or key.
    """
    document = draft(desk)
    party = document.party(party_id)
    gone = Revocation(from_leaf, reason)
    hit = [k for k in party.keys if key_id is None or k.key.id.startswith(key_id)]
    if not hit:
        raise TrustRefused(f"{party_id} has no key {key_id}", mend="`countermark party list --keys`")
    keys = tuple(replace(k, revoked=gone) if k in hit and not k.revoked else k for k in party.keys)
    return save_draft(desk, document.with_party(replace(party, keys=keys)))


def sign_draft(desk: Desk, file: Path | None = None) -> tuple[dsse.Envelope, bool]:
    """Sign the draft (here, or in a file another owner handed over); publish it once enough owners signed.

    Nothing is signed that is not the next version of the pinned project, or the first of a new one.

    Returns:
        The envelope as signed so far, and whether it was published.

    Raises:
        TrustRefused: not of the pinned project, does not follow, or this party is no owner in it.
        StatementRefused: no trust document. Unusable: no draft, or it cannot be written.
    """
    trust = desk.space.folder("trust")
    partly = file or trust / f"{DRAFT}.signed"
    if partly.exists():
        envelope = dsse.Envelope.from_bytes(read_file(partly), what=partly.name)
    else:
        envelope = dsse.Envelope(PAYLOAD_TYPE, read_file(trust / DRAFT), ())
    with desk.space.lock(MARK_LOCK):
        chain = _chain_before(desk, envelope)
        document = TrustDocument.from_bytes(envelope.payload)
        for signer in desk.signers("root"):
            _refuse_no_owner(desk, document, chain, signer.public)
            envelope = keyfiles.add_signature(envelope, signer)
        desk.space.disk.write(partly, envelope.to_bytes())
        return envelope, _published(desk, document, chain, envelope)


def _chain_before(desk: Desk, envelope: dsse.Envelope) -> tuple[dsse.Envelope, ...]:
    """The pinned versions before this one; empty where it begins a project."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise TrustRefused("a root key signs trust documents only", why=f"this is {envelope.payload_type!r:.80}")
    document = TrustDocument.from_bytes(envelope.payload)
    if not (desk.space.home / "trust" / MARK).exists():
        chain: tuple[dsse.Envelope, ...] = ()
    else:
        chain = desk.trust(expired=True).envelopes
    if chain and document.version == 1 and envelope.digest != chain[0].digest:
        raise TrustRefused(
            "this draft begins another project", why=f"pinned {chain[0].digest}",
            mend="use a workspace of its own for each project",
        )  # fmt: skip
    if envelope.digest in {e.digest for e in chain}:
        return chain[: document.version - 1]
    if document.version != len(chain) + 1:
        raise TrustRefused(f"trust version {document.version} does not follow version {len(chain)} known here")
    return chain


def _refuse_no_owner(desk: Desk, document: TrustDocument, chain: Sequence[dsse.Envelope], key: PublicKey) -> None:
    judges = [document, *(TrustDocument.from_bytes(e.payload) for e in chain[-1:])]
    if not any(key.id in root_keys(judge, document.issued) for judge in judges):
        raise TrustRefused(
            f"{desk.party} is no owner in this draft", why=f"it knows no root key {key.id[:16]}",
            mend="the owners enrol this party's root key first",
        )  # fmt: skip


def _published(desk: Desk, document: TrustDocument, chain: Sequence[dsse.Envelope], envelope: dsse.Envelope) -> bool:
    """Keep the version and remember it, where enough owners of it and of the one before have signed."""
    judges = [document, *(TrustDocument.from_bytes(e.payload) for e in chain[-1:])]
    if any(not _enough(envelope, judge, document.issued) for judge in judges):
        return False
    first = chain[0].digest if chain else envelope.digest
    home, known = desk.space.home / "trust", _known_chain(desk)
    verify_chain((*chain, envelope), first, desk.now())
    if len(known) <= len(chain):
        desk.space.disk.write(home / CHAIN, chain_bytes((*chain, envelope)))
    if not (home / MARK).exists():
        desk.space.disk.write(home / MARK, Mark(first).to_bytes())
    for leftover in (DRAFT, f"{DRAFT}.signed"):
        desk.space.disk.unlink(home / leftover)
    return True


def _enough(envelope: dsse.Envelope, judge: TrustDocument, issued: str) -> bool:
    try:
        return len(owners_signed(envelope, judge, issued)) >= judge.threshold
    except SignatureRefused:
        return False


def _known_chain(desk: Desk) -> tuple[dsse.Envelope, ...]:
    path = desk.space.home / "trust" / CHAIN
    return read_chain(path) if path.exists() else ()


def pin(desk: Desk, fingerprint: str, file: Path) -> Trust:
    """Trust a project by its fingerprint, told over another channel, from a file of trust versions.

    Raises:
        TrustRefused: another fingerprint is pinned already, the file is older than what was seen, tells another
            history, or does not hold.
    """
    chain = read_chain(file)
    with desk.space.lock(MARK_LOCK):
        mark = desk.mark() if (desk.space.home / "trust" / MARK).exists() else Mark(fingerprint)
        if mark.fingerprint != fingerprint:
            raise TrustRefused(
                "this workspace is pinned to another project", why=f"pinned {mark.fingerprint}",
                mend="use a workspace of its own for each project",
            )  # fmt: skip
        trust = verify_chain(chain, fingerprint, desk.now(), least_version=mark.version)
        _refuse_fork(_known_chain(desk), chain)
        home = desk.space.folder("trust")
        desk.space.disk.write(home / CHAIN, chain_bytes(chain))
        desk.space.disk.write(home / MARK, replace(mark, version=trust.document.version).to_bytes())
    return trust


def _refuse_fork(known: Sequence[dsse.Envelope], told: Sequence[dsse.Envelope]) -> None:
    for version, (old, new) in enumerate(zip(known, told, strict=False), 1):
        if old.digest != new.digest:
            raise TrustRefused(
                f"there are two versions {version} of this trust document",
                why=f"known {old.digest}, told {new.digest}: its owners signed both",
                mend="ask the owners over another channel which history is theirs",
            )


def unusable_name(party_id: str) -> None:
    """Refuse party ids that make poor file names.

    Raises:
        Unusable: empty, too long, or with other characters than ``a-z 0-9 -``.
    """
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if not 1 <= len(party_id) <= 64 or set(party_id) - allowed:
        raise Unusable(f"{party_id!r} cannot be a party's name", mend="use a-z, 0-9 and hyphens, at most 64")
