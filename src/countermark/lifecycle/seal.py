"""Seal: an asset for its recipients, opened by one of them, its list changed, its ciphertext checked by anybody.

Three files: ``NAME.cmsealed`` (data, never written to again), ``.manifest`` and ``.recipients`` beside it (signed envelopes). Nothing opens
without both; that something *must* be sealed is said by policy, never by what lies beside a file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark import dsse, merkle
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES
from countermark.errors import FormatRefused, NothingToVerify, TreeRefused, TrustRefused, Unusable
from countermark.keys.signer import Signer
from countermark.lifecycle.desk import Desk, read_file
from countermark.seal import manifest as manifests
from countermark.seal import recipients as lists
from countermark.seal import writer
from countermark.seal.container import Container, Progress
from countermark.seal.manifest import Authority, Manifest, Verified
from countermark.seal.opened import Opened
from countermark.seal.plain import Plain
from countermark.seal.prelude import new_content_key, new_prelude, wipe
from countermark.seal.recipients import Recipients
from countermark.seal.stanza import NO_LICENCE, Identity, Recipient
from countermark.workspace.disk import Disk

PLAIN_FORM = writer.Form()
SUFFIX, MANIFEST, RECIPIENTS = ".cmsealed", ".manifest", ".recipients"
_MODE, _PROGRAM = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class Sealer:
    """Who seals: the keys that sign, and the project's fingerprint ("" outside one). What is sealed is bound to the first key."""

    signers: Sequence[Signer]
    project: str
    issued: str

    @property
    def key(self) -> str:
        """Id of the key that what is sealed is bound to, hex."""
        return self.signers[0].public.id


def anybody(_party: str, _kind: str) -> None:
    """The default: whoever the authority knows may seal anything, as where keys are named one by one."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a reader trusts to have sealed, and in which project ("" outside one).

    Attributes:
        entitled: refuses (TrustRefused) a party that may not seal assets of a kind.
    """

    authority: Authority
    project: str = ""
    entitled: Callable[[str, str], None] = anybody


def sealer_of(desk: Desk) -> Sealer:
    """A workspace's party.

    Raises:
        Unusable, SignatureRefused: its statement key cannot be opened.
    """
    project = desk.mark().fingerprint if desk.pinned() else ""
    return Sealer(desk.signers("statement"), project, desk.stamp())


SEALERS: Mapping[str, tuple[str, ...]] = {
    "model": ("model-owner", "trainer"),
    "dataset": ("supplier", "data-owner"),
    "recipe": ("model-owner", "data-owner", "trainer"),
}
"""Roles that may seal a kind of asset in a project; whoever merely opens one, such as a licensee, passes no other off for it."""


def reader_of(desk: Desk, party: str = "") -> Reader:
    """A workspace that trusts the parties of its project to seal what is theirs (`SEALERS`).

    Args:
        party: the only one that counts; "" for all.

    Raises:
        TrustRefused: nothing was pinned, or the trust document does not hold.
    """
    trust = desk.trust()

    def who(envelope: dsse.Envelope) -> dict[str, str]:
        signed = trust.verify(envelope, "statement", desk.now())
        return dict.fromkeys(signed.keys, signed.party.id)

    def entitled(seen: str, kind: str) -> None:
        roles = SEALERS.get(kind, ())
        if party and seen != party:
            raise TrustRefused(f"{seen} sealed this, not {party}", mend=f"ask {party} for the asset")
        if roles and not set(roles) & set(trust.document.party(seen).roles):
            raise TrustRefused(
                f"{seen} may not seal a {kind}: it needs the role {' or '.join(roles)}",
                why=f"its roles are {', '.join(trust.document.party(seen).roles) or 'none'}", mend="ask its owner for the asset",
            )  # fmt: skip

    return Reader(who, trust.fingerprint, entitled)


def beside(sealed: Path, suffix: str) -> Path:
    """The file of that suffix that belongs to a sealed file."""
    return sealed.with_name(sealed.name + suffix)


def seal(
    source: Path | Plain, target: Path, to: Sequence[Recipient], by: Sealer, *, kind: str, form: writer.Form = PLAIN_FORM,
    licences: Mapping[str, str] | None = None, threads: int = 2, progress: Progress | None = None, disk: Disk | None = None,
) -> tuple[Manifest, Recipients]:  # fmt: skip
    """Seal a folder or file for recipients; the manifest is written last.

    Args:
        source: on the disk, or a sealed asset that is open (`seal.plain.Unsealed`), which is sealed anew without plaintext on any disk.
        to: at least one. kind: of `manifest.KINDS`. licences: recipient -> hex SHA-256 of the licence that its copy of the key is bound to.

    Raises:
        Unusable: a file of these names exists, or something cannot be read or written. TreeRefused: the asset cannot be sealed as it is.
        StatementRefused: no recipient, two of one name, or a passphrase that does not stand alone.
    """
    used = disk or Disk()
    for path in (target, beside(target, MANIFEST), beside(target, RECIPIENTS)):
        if path.exists() or path.is_symlink():
            raise Unusable(f"{path} exists", why="a sealed file is never written over", mend="name another with --out")
    content_key = new_content_key()
    try:
        _try_out(to, licences or {}, by.key)
        about = writer.About(kind, by.key, by.project, by.issued)
        said = writer.write(
            source, target, content_key, about, form=form, threads=threads, progress=progress, disk=used
        )
        with _removed_on_failure(target):
            listed = lists.first(said.prelude, content_key, to, dict(licences or {}))
            used.write(beside(target, RECIPIENTS), listed.signed(by.signers).to_bytes(), mode=_MODE)
            used.write(beside(target, MANIFEST), said.signed(by.signers).to_bytes(), mode=_MODE)
    finally:
        wipe(content_key)
    return said, listed


def _try_out(to: Sequence[Recipient], licences: Mapping[str, str], sealer: str) -> None:
    """Refuse recipients that make no list before hours of encrypting, with a key and a prelude that nobody ever sees."""
    spare = new_content_key()
    lists.first(new_prelude(spare, 1, sealer), spare, to, dict(licences))
    if strange := sorted(set(licences) - {one.name for one in to}):
        raise Unusable(f"a licence is named for {strange[0]}, who is no recipient")
    wipe(spare)


@contextlib.contextmanager
def _removed_on_failure(target: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in (target, beside(target, RECIPIENTS), beside(target, MANIFEST)):
            path.unlink(missing_ok=True)
        raise


def verified(sealed: Path, reader: Reader) -> Verified:
    """Manifest and list of a sealed file; no key is needed, and the data is not read.

    Raises:
        NothingToVerify: there is no manifest. SignatureRefused, TrustRefused, StatementRefused, FormatRefused: they do not hold.
    """
    if not beside(sealed, MANIFEST).exists():
        raise NothingToVerify(
            f"{sealed.name} has no manifest", why="nobody says what it should be, and nothing of it is opened",
            mend=f"get {sealed.name}{MANIFEST} from its owner",
        )  # fmt: skip
    manifest = read_file(beside(sealed, MANIFEST), 2 * manifests.MOST_BYTES)
    return verified_bytes(manifest, read_file(beside(sealed, RECIPIENTS), 2 * lists.MOST_BYTES), reader)


def verified_bytes(manifest: bytes, listed: bytes, reader: Reader) -> Verified:
    """As `verified`, of the bytes of both files.

    Raises:
        SignatureRefused, TrustRefused, StatementRefused, FormatRefused: they do not hold.
    """
    one, two = _envelope(manifest, "manifest"), _envelope(listed, "list of recipients")
    handle = manifests.verified(one, two, reader.authority, project=reader.project)
    reader.entitled(handle.signed_by, handle.manifest.kind)
    return handle


def _envelope(data: bytes, what: str) -> dsse.Envelope:
    """An envelope in its one form, so that no bit of the file can be another."""
    envelope = dsse.Envelope.from_bytes(data, what=what)
    if envelope.to_bytes() != data:
        raise FormatRefused(f"the {what} is not in its one form", mend="get it from its owner again")
    return envelope


def check(sealed: Path, reader: Reader, *, threads: int = 2, progress: Progress | None = None) -> Verified:
    """Read the whole ciphertext and hold it against its manifest; needs no key.

    Raises:
        As `verified`; FormatRefused: it was changed. Unusable: it cannot be read.
    """
    handle = verified(sealed, reader)
    with Container(sealed, handle.manifest) as container:
        container.check_all(threads=threads, progress=progress)
    return handle


@contextlib.contextmanager
def opened(sealed: Path, reader: Reader, identity: Identity, *, kind: str = "", threads: int = 2) -> Iterator[Opened]:
    """The files of a sealed asset, for one of its recipients.

    Args:
        kind: that it must have; "" for any.

    Raises:
        As `verified`; TrustRefused: it is not sealed for this key. FormatRefused: it was changed, or is of another kind.
    """
    handle = verified(sealed, reader)
    if kind and handle.manifest.kind != kind:
        raise FormatRefused(f"{sealed.name} is a sealed {handle.manifest.kind}, not a {kind}")
    with opened_by(
        sealed, handle, lambda: lists.content_key(handle.recipients, handle.manifest.prelude, identity)[0], threads
    ) as files:
        yield files


@contextlib.contextmanager
def opened_by(sealed: Path, handle: Verified, key: Callable[[], bytearray], threads: int = 2) -> Iterator[Opened]:
    """As `opened`, with the content key from elsewhere, such as a broker (`seal.release.taken`); it is overwritten here.

    Raises:
        As `opened`.
    """
    content_key = key()
    with Container(sealed, handle.manifest) as container:
        try:
            files = Opened(container, content_key, threads=threads, signed_by=handle.signed_by)
        finally:
            wipe(content_key)
        with files:
            yield files


def extract(files: Opened, target: Path, *, progress: Progress | None = None, disk: Disk | None = None) -> None:
    """Write the plaintext: a folder of mode 0700 with files of mode 0600 (programs 0700), or one such file; whole or not at all.

    Raises:
        Unusable: `target` exists, or cannot be written. FormatRefused, TreeRefused: the sealed file was changed, or is not what its header says.
    """
    used = disk or Disk()
    if target.exists() or target.is_symlink():
        raise Unusable(f"{target} exists", why="nothing is written over", mend="name another with --out")
    staged = target.with_name(f".{secrets.token_hex(8)}.tmp")
    count = _Count(progress)
    try:
        if files.single:
            _write(files, files.paths[0], staged, count, used)
        else:
            used.folder(staged)
            for path in files.paths:
                used.folder((staged / path).parent)
                _write(files, path, staged / path, count, used)
        used.move(staged, target)
    except BaseException:
        if staged.is_dir():
            used.discard(staged)
        else:
            used.unlink(staged)
        raise


class _Count:
    """(files, bytes) so far."""

    def __init__(self, progress: Progress | None) -> None:
        self.files = self.bytes = 0
        self._progress = progress

    def more(self, size: int) -> None:
        """Count bytes."""
        self.bytes += size
        if self._progress:
            self._progress(self.files, self.bytes)


def _write(files: Opened, path: str, target: Path, count: _Count, disk: Disk) -> None:
    count.files += 1
    expected = files.entry(path)
    leaves: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        for piece in files.pieces(path, CHUNK_BYTES):
            data = bytes(piece)
            wipe(piece)
            leaves.append(SHA256.chunks.leaf(data))
            count.more(len(data))
            yield data
        if merkle.root(leaves, SHA256.chunks) != expected.root:  # the sealer's own mistake: nobody else could make it
            raise TreeRefused(f"{path} is not the file that its sealed header names")

    disk.pour(target, pieces(), mode=_PROGRAM if expected.executable else _MODE)


@contextlib.contextmanager
def _alone(sealed: Path) -> Iterator[None]:
    """One writer of a list at a time, where the system can lock: two who add at once would lose one."""
    if os.name != "posix":
        yield
        return
    import fcntl

    with sealed.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def add(sealed: Path, one: Recipient, identity: Identity, reader: Reader, by: Sealer, *, licence: str = NO_LICENCE,
        disk: Disk | None = None) -> Recipients:  # fmt: skip
    """Add a recipient; the data is not touched, and not read.

    Raises:
        As `verified`; TrustRefused: the file is not sealed for this identity. StatementRefused: the name is taken, or a passphrase would not stand alone.
    """
    with _alone(sealed):
        handle = verified(sealed, reader)
        content_key, _ = lists.content_key(handle.recipients, handle.manifest.prelude, identity)
        try:
            return _listed(sealed, handle.recipients.with_one(one, content_key, licence), reader, handle, by, disk)
        finally:
            wipe(content_key)


def remove(sealed: Path, name: str, reader: Reader, by: Sealer, *, disk: Disk | None = None) -> Recipients:
    """Take a recipient out of the list; whoever was in it may have kept the content key (`recipients.NOT_REVOKED`).

    Raises:
        As `verified`; StatementRefused: no such recipient, or the last.
    """
    with _alone(sealed):
        handle = verified(sealed, reader)
        return _listed(sealed, handle.recipients.without(name), reader, handle, by, disk)


def _listed(
    sealed: Path, new: Recipients, reader: Reader, handle: Verified, by: Sealer, disk: Disk | None
) -> Recipients:
    envelope = new.signed(by.signers)
    if handle.signed_by not in reader.authority(envelope).values():
        raise Unusable(f"only {handle.signed_by}, who sealed this file, changes its list", mend="ask them")
    (disk or Disk()).write(beside(sealed, RECIPIENTS), envelope.to_bytes(), mode=_MODE)
    return new
