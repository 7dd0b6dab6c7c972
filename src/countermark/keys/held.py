"""The keys that a party holds: files, or files that name a key elsewhere, one or two for each use.

``USE.pem`` is a private key, ``USE.uri`` one line with the URI of a key in a token, a TPM or a key service, and ``USE.ml-dsa-65.pem`` the
second half of a hybrid pair, which signs beside the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import Unusable
from countermark.keys import kms, pkcs11, signer, tpm, uri
from countermark.keys.signer import Signer
from countermark.keys.uri import KeyUri
from countermark.keys.verifier import USES, Algorithm, Use

PRIMARY = (".uri", ".pem")
SECOND = ".ml-dsa-65.pem"
ELEMENTS = {"pkcs11": "PKCS#11 token", "tpm": "TPM"}
Passphrase = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Held:
    """One key: its use and the file that has it or names it."""

    use: Use
    path: Path

    @property
    def second(self) -> bool:
        """Whether it only signs beside another."""
        return self.path.name.endswith(SECOND)

    @property
    def protection(self) -> str:
        """What stands between the private half and whoever reads the file."""
        if self.path.suffix == ".uri":
            scheme = named(self.path).scheme
            return kms.SERVICES[scheme].NAME if scheme in kms.SERVICES else ELEMENTS[scheme]
        with self.path.open("rb") as file:
            return "passphrase" if b"ENCRYPTED" in file.readline(128) else "file mode only"

    def asks(self) -> bool:
        """Whether opening it takes a passphrase or PIN that no file has.

        Raises:
            Unusable: the URI is malformed.
        """
        if self.path.suffix == ".uri":
            where = named(self.path)
            return not where.in_service and where.pin_file() is None
        try:
            return self.protection == "passphrase"
        except OSError:
            return False  # opening it as a key tells what is wrong with it

    def open(self, passphrase: Passphrase) -> Signer:
        """The signer.

        Raises:
            Unusable, SignatureRefused: it cannot be opened. MissingExtra: its library is absent.
        """
        if self.path.suffix != ".uri":
            return signer.load(self.path, self.use, passphrase(self.use))
        where = named(self.path)
        return in_element(where, self.use, pin_of(where, lambda: passphrase(self.use)))


def keys(folder: Path, use: Use) -> list[Held]:
    """The keys for one use in a folder, the one that signs alone first.

    Raises:
        Unusable: there is none.
    """
    found = [folder / f"{use}{suffix}" for suffix in PRIMARY if (folder / f"{use}{suffix}").exists()]
    if len(found) > 1:
        raise Unusable(f"{found[0].name} and {found[1].name} are both here", mend="move one of them away")
    primary = found[0] if found else folder / f"{use}.pem"  # reading it tells that it is not there
    second = folder / f"{use}{SECOND}"
    return [Held(use, primary), *([Held(use, second)] if second.exists() else [])]


def every(folder: Path) -> Iterator[Held]:
    """All keys in a folder, by use."""
    for use in USES:
        yield from (one for one in keys(folder, use) if one.path.exists())


def named(path: Path) -> KeyUri:
    """The URI in a file, which nobody else may read or write.

    Raises:
        Unusable: missing, open to others, or malformed.
    """
    return uri.parse(signer.read_private(path).decode(errors="replace"))


def pin_of(where: KeyUri, ask: Callable[[], bytes | None]) -> bytes | None:
    """The PIN: from the file that the URI names, else asked for; None for a key service.

    Raises:
        Unusable: the file cannot be read, or is open to others.
    """
    if where.in_service:
        return None
    file = where.pin_file()
    if file is None:
        return ask()
    lines = signer.read_private(file).splitlines()
    if not lines or not lines[0]:
        raise Unusable(f"{os.fspath(file)} holds no PIN", mend="write it on the first line")
    return lines[0]


def in_element(where: KeyUri, use: Use, pin: bytes | None) -> Signer:
    """The key that a URI names.

    Raises:
        Unusable, SignatureRefused: it cannot be opened. MissingExtra: its library is absent.
    """
    if where.in_service:
        return kms.open_key(where, use)
    return (pkcs11.open_key if where.scheme == "pkcs11" else tpm.open_key)(where, use, pin)


def take(where: KeyUri, use: Use, pin: bytes | None) -> tuple[Signer, KeyUri]:
    """The key that a URI names, as somebody takes it for the first time, and the URI to keep: with the pin of a service's key.

    Raises:
        As `in_element`.
    """
    if where.in_service:
        taken = kms.take_key(where, use)
        return taken, taken.uri
    return in_element(where, use, pin), where


def make(where: KeyUri, use: Use, algorithm: Algorithm, pin: bytes | None) -> Signer:
    """Make a key in a trusted element.

    Raises:
        Unusable: it cannot be made there, or it is a service. MissingExtra: its library is absent.
    """
    if where.in_service:
        raise Unusable(
            f"no key is made in {kms.SERVICES[where.scheme].NAME} from here",
            why="who signs there should not be able to make keys",
            mend="make it with the service's own tools, then `countermark key use USE URI`",
        )
    if where.scheme == "pkcs11":
        return pkcs11.make_key(where, use, algorithm, pin)
    if algorithm != "ecdsa-p256":
        raise Unusable(f"a TPM makes no {algorithm} key here", mend="--algorithm ecdsa-p256")
    return tpm.make_key(where, use, pin)
