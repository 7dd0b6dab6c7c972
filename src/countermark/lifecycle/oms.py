"""OpenSSF Model Signing bundles over folders: making one, and holding a folder against one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from countermark.artefact import plain
from countermark.artefact.folder import Progress
from countermark.artefact.plain import Plan
from countermark.artefact.profile import Profile
from countermark.artefact.reading import Wants
from countermark.artefact.tree import Tree, TreeEntry, tree_of
from countermark.errors import SignatureRefused, TreeRefused
from countermark.keys import keyless
from countermark.keys.signer import Signer
from countermark.statement import oms
from countermark.statement.oms_keyless import KeylessTrust
from countermark.statement.oms_resources import FILES, SINGLE_FILE, Serialization, named

Resources = dict[str, str]


def bundle(
    model: Path,
    signer: Signer,
    *,
    shard_size: int | None = None,
    judged: Tree | None = None,
    progress: Progress | None = None,
) -> tuple[bytes, int]:
    """Sign a folder, or a single file.

    Args:
        signer: an elliptic-curve key of the use ``oms``. shard_size: bytes of a shard; None for whole files.
        judged: the files that somebody judged before; the bundle is about no others.

    Returns:
        the bundle's bytes, and how many resources it names.

    Raises:
        TreeRefused: the model cannot be signed, or changed since it was judged. StatementRefused: it has a name that the
            format cannot sign.
    """
    profile = judged.profile if judged is not None else None
    entries, resources = _read(model, Serialization(FILES.hash_type, (), shard_size), profile, progress)
    if judged is not None and tree_of(entries, judged.profile).digest != judged.digest:
        raise TreeRefused(f"{model.name} changed while it was judged", mend="stop whatever writes to it, release again")
    payload = oms.statement(resources.items(), name=model.name, shard_size=shard_size)
    return oms.sign(payload, sign=signer.sign, spki_pem=signer.public.pem()), len(resources)


def keyless_bundle(
    model: Path, token: bytes, config: bytes | None, *, shard_size: int | None = None, progress: Progress | None = None
) -> tuple[bytes, oms.Manifest]:
    """Sign a folder, or a single file, as whom an identity token names; see `keys.keyless` for what is sent where.

    Args:
        token, config: as `keyless.sign` takes them.

    Returns:
        the bundle's bytes, and what it says: it was verified, against the services' trust root and the token's identity.

    Raises:
        As `bundle` and `keyless.sign`; SignatureRefused, TrustRefused: what the services answered does not verify.
    """
    keyless.import_library()
    _, resources = _read(model, Serialization(FILES.hash_type, (), shard_size), None, progress)
    payload = oms.statement(resources.items(), name=model.name, shard_size=shard_size)
    made = keyless.sign(payload, token, config)
    manifest = oms.verify(made.bundle, KeylessTrust(made.identity, made.issuer, made.root))
    if manifest.resources != dict(resources):
        raise SignatureRefused("the keyless bundle says something else than was to be signed")
    return made.bundle, manifest


def _read(
    model: Path,
    serialization: Serialization,
    profile: Profile | None,
    progress: Progress | None,
    wants: Wants | None = None,
) -> tuple[list[TreeEntry], Resources]:
    single = model.is_file()
    entries, out = [], Resources()
    for one in plain.read(
        model, Plan(serialization.hash_type, serialization.shard_size, profile, wants), progress=progress
    ):
        entries.append(one.entry)
        path = SINGLE_FILE if single else one.entry.path
        out.update(named(path, one.entry.size, one.digests, serialization.shard_size))
    return entries, out


def hold(
    model: Path, manifest: oms.Manifest, *, exclude: Collection[str] = (), progress: Progress | None = None
) -> int:
    """Hold a folder against a verified bundle; returns how many files were read.

    Args:
        exclude: files or folders that the verifier allows unsigned.

    Raises:
        TreeRefused: a file is missing, differs, or was never signed. Unusable: it cannot be read.
    """
    entries, found = _read(model, manifest.serialization, None, progress, _signed(manifest, exclude))
    manifest.compare(found, exclude=exclude)
    return len(entries)


def _signed(manifest: oms.Manifest, exclude: Collection[str]) -> Wants:
    """Which files are read: not those that the verifier allows unsigned, and in shards none of another size than signed.

    Shards of one byte, signed for a small file, would make us keep a digest for every byte of a large one.
    """
    sizes = manifest.sizes()

    def wants(path: str, size: int) -> bool:
        if path not in sizes and oms.inside(path, exclude):
            return False
        name = SINGLE_FILE if sizes.keys() == {SINGLE_FILE} else path
        if manifest.serialization.shard_size is not None and sizes.get(name, 0) != size:
            raise manifest.refusal(f"{'other size' if name in sizes else 'never signed'}: {path}")
        return True

    return wants
