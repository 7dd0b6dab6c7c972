"""Verify: a model against its passport, or a delivered folder against its delivery file. Offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from countermark.artefact.folder import read_folder
from countermark.artefact.handle import Handle, Proven, Window, open_verified
from countermark.artefact.tree import Tree, compare
from countermark.errors import NothingToVerify, PolicyRefused, Refusal, TreeRefused, TrustRefused
from countermark.lifecycle import parcel
from countermark.lifecycle.desk import Desk, read_file
from countermark.passport import passport as passports
from countermark.passport.passport import Passport
from countermark.passport.slip import Shown, Slip
from countermark.passport.slip import verify as verify_slip
from countermark.passport.verify import Pin, Verified, fresh, read_snapshot, same_files, verify_passport
from countermark.policy.document import Policy

if TYPE_CHECKING:  # who only verifies reads no format and starts no child
    from countermark.runtime.torch_tensors import TorchTensors
    from countermark.sandbox.bubblewrap import Outcome
    from countermark.sandbox.plan import ScriptLimits

SNAPSHOT = "revocations.json"


def pin_snapshot(desk: Desk, file: Path) -> str:
    """Keep the owners' newest revocation snapshot, handed over with the fingerprint; returns its end.

    Raises:
        TrustRefused: it does not hold, or is older than the one kept.
    """
    slip = Slip.from_bytes(read_file(file), what=file.name)
    shown, revoked = read_snapshot(slip, desk.trust(), desk.now())
    kept = desk.space.home / "trust" / SNAPSHOT
    if (shown.index or 0) < _kept_index(desk):
        raise TrustRefused("this revocation snapshot is older than the one kept", mend="ask for the newest")
    mark = desk.mark()
    if shown.checkpoint and shown.checkpoint.size < mark.size and not desk.trust().disowns(mark.ledger, mark.size):
        raise TrustRefused("this revocation snapshot is older than what was seen", mend="ask for the newest")
    if shown.checkpoint and shown.checkpoint.size == mark.size and shown.checkpoint.root.hex() != mark.root:
        raise TrustRefused(
            f"this revocation snapshot is of another ledger of {mark.size} entries", why=f"seen before {mark.root}",
            mend="its operator showed two histories: ask the other parties which one they saw",
        )  # fmt: skip
    desk.space.disk.write(kept, slip.to_bytes())
    return revoked.next_update


def _kept_index(desk: Desk) -> int:
    """Entry of the snapshot kept here; 0 where there is none, or the owners disowned the key that signed it or its head.

    Source: TUF 5.3.11: what a thief made with stolen keys would else stand in the way of every real one.
    """
    snapshot = kept_snapshot(desk)
    if snapshot is None:
        return 0
    try:
        return read_snapshot(snapshot, desk.trust(), desk.now())[0].index or 0
    except Refusal:
        return 0


def pinned(desk: Desk) -> Pin:
    """What this workspace trusts and remembers.

    Raises:
        TrustRefused: nothing was pinned.
    """
    mark = desk.mark()
    return Pin(mark.fingerprint, mark.version, mark.size, mark.root, kept_snapshot(desk), mark.ledger)


def kept_snapshot(desk: Desk) -> Slip | None:
    """The newest revocation snapshot that was handed over here."""
    kept = desk.space.home / "trust" / SNAPSHOT
    return Slip.from_bytes(kept.read_bytes(), what=SNAPSHOT) if kept.exists() else None


def fresh_until(desk: Desk, shown: Shown | None = None) -> str | None:
    """End of the time for which the snapshot kept here speaks; None where there is none, or it ran out.

    Args:
        shown: a logged statement that it must not revoke.

    Raises:
        TrustRefused: it does.
    """
    snapshot = kept_snapshot(desk)
    entries = {shown.index} if shown is not None and shown.index is not None else set()
    said = {shown.digest} if shown is not None else set[str]()
    return fresh(snapshot, desk.trust(), entries, desk.now(), "this statement", statements=said) if snapshot else None


@dataclass(frozen=True, slots=True)
class Opened:
    """A model whose papers hold, and the only way to its bytes; a context manager.

    Attributes:
        verified: what the papers showed. files: handle that gives out no byte which was not verified.
    """

    verified: Verified
    files: Handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.files.close()

    def load(self, path: str, *, threads: int = 1) -> Any:
        """One file, as `runtime.load.load` gives it: tensors, an array, arrays by name, or an ONNX model.

        Raises:
            TreeRefused: it is not what was admitted. FormatRefused: it could run code, or no loader here knows it.
            MissingExtra: the library that it needs is absent.
        """
        from countermark.runtime.load import load  # who only verifies reads no format

        return load(self.files, path, threads=threads)

    def torch(self, path: str) -> TorchTensors:
        """A safetensors file as PyTorch tensors, as `runtime.torch_tensors.from_handle` gives them.

        Raises:
            As `load`.
        """
        from countermark.runtime.torch_tensors import from_handle

        return from_handle(self.files, path)

    def run(self, command: Sequence[str], output: Path, *, limits: ScriptLimits | None = None) -> Outcome:
        """A program that takes only a folder, confined, with the verified files in ``/model``: `runtime.mounted.run`.

        Raises:
            TreeRefused: a file is not what was admitted. SandboxRefused, Unusable: this machine cannot hold a folder still.
        """
        from countermark.runtime.mounted import run

        return run(self.files, command, output, limits=limits)


def open_model(model: Path, passport_file: Path, pin: Pin, now: datetime) -> Opened:
    """Verify a model's papers, and open its files for loading: from the bytes that are hashed, never from the path.

    Names, sizes and executable bits are compared here, each file's content when it is first asked for.

    Raises:
        Refusal: the papers or the files do not hold. Unusable: something cannot be read. PolicyRefused: the policy that was applied takes
            sealed models only (`seal_load.open_model`).
    """
    passport, verified = papers(passport_file, pin, now)
    refuse_plain("model", passport.policy, model.name)
    return Opened(verified, open_verified(model, passport.model))


def refuse_plain(kind: str, policy: bytes, what: str) -> None:
    """Refuse an asset that is not sealed where policy says that its kind is: nothing that lies beside it can change that.

    Args:
        kind: of `policy.document.SEALED`. policy: its bytes. what: the asset, for people.

    Raises:
        PolicyRefused: it must be sealed, or the policy is malformed.
    """
    if kind in Policy.from_bytes(policy).sealed:
        raise PolicyRefused(
            f"{what} is not sealed, and the policy takes sealed {kind}s only", why="a plain file in its place would be a downgrade",
            mend=f"get {what}.cmsealed from its owner (`countermark seal`)",
        )  # fmt: skip


def papers(file: Path, pin: Pin, now: datetime) -> tuple[Passport, Verified]:
    """A model's papers, verified; an auditor's are judged again too."""
    passport = Passport.from_bytes(read_file(file, passports.MAX_BYTES))
    verified = verify_passport(passport, passport.model, pin, now)
    if passport.evidence is None:
        return passport, verified
    from countermark.lifecycle.judging import in_child  # who is shown no evidence starts no child
    from countermark.passport.rejudge import again

    return passport, replace(verified, again=again(passport, verified, in_child, now))


def verify_model(model: Path, passport_file: Path, pin: Pin, now: datetime, only: Sequence[str] = ()) -> Verified:
    """Verify a model folder against its passport without keeping its bytes.

    Args:
        only: names of files, or of folders, inside the model: no others are looked at. Empty for all.

    Raises:
        Refusal: the papers or the files do not hold. Unusable: something cannot be read.
    """
    passport, verified = papers(passport_file, pin, now)
    if only:
        look_at(model, part_of(passport.model, only))
    else:
        same_files(passport.model, whole(model, passport.model), verified.digest)
    return verified


def whole(folder: Path, expected: Tree) -> Tree:
    """Read a folder whose files have the names and sizes that were signed; others are refused before a byte is read.

    A file of a terabyte takes no room on the disk that it lies on, and hours of whoever reads it.

    Raises:
        TreeRefused: names, sizes or executable bits differ, links, devices. Unusable: something cannot be read.
    """
    open_verified(folder, expected).close()
    return read_folder(folder)


def part_of(tree: Tree, only: Sequence[str]) -> Proven:
    """The files of a tree, whose digest was verified, that these names mean.

    Args:
        only: names of files, or of folders, with ``/``.

    Raises:
        TreeRefused: a name means none of them.
    """
    meant = {name: [e for e in tree.entries if is_meant(e.path, name)] for name in only}
    for name, hit in meant.items():
        if not hit:
            raise TreeRefused(
                f"{name!r:.120} is not among the files that were signed", mend="spell it as it was signed"
            )
    return Proven(tuple(sorted({e for hit in meant.values() for e in hit})), tree.digest, tree.profile)


def is_meant(path: str, name: str) -> bool:
    """Whether `name` is that file, or a folder above it."""
    return path == name or path.startswith(name.rstrip("/") + "/")


def look_at(folder: Path, part: Proven, window: Window | None = None) -> None:
    """Read the files of a part, or one window of its only file, and nothing else.

    Raises:
        TreeRefused: they are not what was signed. Unusable: they cannot be read.
    """
    with open_verified(folder, part) as files:
        if window is None:
            files.check_rest()
        else:
            files.window(window)


def read_slip(desk: Desk | None, file: Path, *, logged: bool | None = None) -> Shown:
    """Verify a statement that somebody handed out, under the project that is pinned here.

    Args:
        logged: whether a ledger receipt is needed; None where one counts if it is there.

    Raises:
        NothingToVerify: nothing is pinned. TrustRefused: the snapshot kept here revokes it. Refusal: it does not hold.
        Unusable: it cannot be read.
    """
    if desk is None or not desk.pinned():
        raise NothingToVerify(
            f"nobody is trusted here, so {file.name} shows nothing",
            mend="`countermark init NAME`, then `countermark trust pin FINGERPRINT --trust FILE`",
        )
    slip = Slip.from_bytes(read_file(file), what=file.name)
    needed = slip.receipt is not None if logged is None else logged
    shown = verify_slip(slip, desk.trust(), desk.now(), logged=needed)
    fresh_until(desk, shown)
    return shown


def remember(desk: Desk, verified: Verified) -> None:
    """Move this party's mark forward to the ledger head that was shown."""
    head, trust = verified.checkpoint, verified.trust
    desk.remember(
        version=trust.document.version, size=head.size, root=head.root.hex(), ledger=trust.ledger_key().id, trust=trust
    )


@dataclass(frozen=True, slots=True)
class Delivered:
    """A folder that is exactly what its delivery file lists; `signer` is None where nobody could vouch for it.

    `looked_at` are the files that were read: all of them, where no part was asked for. `canaries`: pairs of which it says that one
    half was withheld by a secret coin; 0 where it says nothing.
    """

    tree: Tree
    looked_at: int
    rows: int
    signer: str | None
    canaries: int = 0


def verify_delivery(folder: Path, desk: Desk | None, only: Sequence[str] = ()) -> Delivered:
    """Verify a folder against the delivery file beside it.

    Args:
        only: as `verify_model`. desk: whose trust document names the signers; without one only the files are compared.

    Raises:
        NothingToVerify: there is no delivery file. TreeRefused: files differ. SignatureRefused, TrustRefused:
        the signature does not count.
    """
    if not parcel.beside(folder).exists():
        raise NothingToVerify(
            f"nobody signed {folder}",
            why=f"there is no {parcel.beside(folder).name} and no --passport was named",
            mend="`countermark deliver` signs a folder; a model comes with a .cmpass file",
        )
    signer: str | None = None

    def vouched(head: parcel.Head) -> None:
        nonlocal signer
        if desk is not None:
            signer = verify_slip(Slip(head.envelope), desk.trust(), desk.now(), logged=False).party.id

    piece = parcel.read(folder, vouched)
    canaries = piece.delivery.canaries.pairs if piece.delivery.canaries else 0
    if only:
        part = part_of(piece.tree, only)
        look_at(folder, part)
        return Delivered(piece.tree, len(part.entries), piece.delivery.rows, signer, canaries)
    seen = whole(folder, piece.tree)
    if seen.digest != piece.tree.digest:
        differences = compare(piece.tree, seen)
        raise TreeRefused(
            f"{folder.name} is not what was signed: {differences[0] if differences else ''}",
            why="; ".join(str(d) for d in differences[1:6]),
            mend="ask its sender for the folder again",
        )
    return Delivered(seen, len(seen.entries), piece.delivery.rows, signer, canaries)
