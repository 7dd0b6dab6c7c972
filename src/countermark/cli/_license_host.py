"""Which hosts a licence is bound to, as the options name them: a kind, keys in files, what a host wrote of itself, a broker that counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermark.errors import LedgerRefused, StatementRefused, Unusable

if TYPE_CHECKING:
    from countermark.statement.predicates.licence_claims import Licensee
    from countermark.statement.predicates.licence_host import HostBinding

NONE = "none"


def bound(licensee: Licensee, named: dict[str, Any]) -> HostBinding:
    """The binding that ``--host`` and ``--host-key`` name; a key that is not named is the licensee's own.

    Raises:
        Unusable: a file cannot be read, or holds no key. StatementRefused: it names no host.
    """
    from countermark.statement.predicates.licence_host import HostBinding

    kind = named.get("host", "software-key")
    if kind == NONE:
        return HostBinding("none")
    if kind not in ("software-key", "pkcs11-key"):
        return _host_file(Path(kind))
    keys = tuple(public_key(path) for path in named.get("host_keys", ())) or (licensee.key,)
    return HostBinding(kind, keys=keys)


def _host_file(file: Path) -> HostBinding:
    from countermark import canonical
    from countermark.lifecycle.desk import read_file
    from countermark.statement.predicates.licence_host import HostBinding

    data = read_file(file, 1 << 16)
    try:
        return HostBinding.from_json(canonical.from_bytes(data, what=file.name))
    except StatementRefused as error:
        raise StatementRefused(f"{file.name} names no host", why=error.what,
                               mend="--host none, software-key, pkcs11-key, or what `countermark license host` wrote") from error  # fmt: skip


def metered(host: HostBinding | None, vkey: Path) -> HostBinding:
    """The same hosts, counted by the broker of that ``.vkey`` file.

    Raises:
        Unusable: they have no key. LedgerRefused: the file is no broker's key.
    """
    from countermark.ledger.note import NoteKey
    from countermark.lifecycle.desk import read_file

    if host is None or not host.keys:
        raise Unusable("a broker counts for hosts that have a key", mend="--host software-key or pkcs11-key")
    text = read_file(vkey, 4096).decode(errors="replace")
    try:
        return replace(host, broker=NoteKey.from_vkey(text).vkey())
    except LedgerRefused as error:
        raise LedgerRefused(
            f"{vkey.name} is no broker's key",
            why=error.what,
            mend="--meter NAME.vkey, as `countermark broker init` writes it",
        ) from error


def public_key(path: Path) -> Any:
    """A public key of the use ``licence`` from a PEM file (SubjectPublicKeyInfo).

    Raises:
        Unusable: no PEM file of a public key. SignatureRefused: of a kind that is not taken.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    from countermark.keys.verifier import PublicKey
    from countermark.lifecycle.desk import read_file

    try:
        key = load_pem_public_key(read_file(path, 16 << 10))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(
            f"{path} is no public key",
            why="it holds no SubjectPublicKeyInfo in PEM",
            mend="`openssl pkey -pubout` writes one",
        ) from error
    return PublicKey.from_spki("licence", key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
