"""How a TPM 2.0 is opened, and what several of its uses share: handles, the storage root, sessions that encrypt what crosses the bus.

Sources: TCG TPM 2.0 Library, part 1 (sessions, hierarchies) and part 3; TCG TPM v2.0 Provisioning Guidance (storage root). The
library is tpm2-pytss, the extra ``tpm``.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from countermark.errors import MissingExtra, Unusable
from countermark.keys.uri import KeyUri

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = "device:/dev/tpmrm0"
_HANDLE = re.compile("0x81[0-9a-fA-F]{6}")
_TCTI = re.compile(r"(?:device|swtpm|mssim|tabrmd)(?::[\w./:,=-]*)?")


def import_library() -> None:
    """Refuse by name where the extra is absent.

    Raises:
        MissingExtra: it is.
    """
    try:
        import tpm2_pytss  # noqa: F401 - asked for only to say by name that it is absent
    except (ImportError, NotImplementedError) as error:
        raise MissingExtra("a key in a TPM needs tpm2-pytss", mend="pip install 'countermark[tpm]'") from error


@contextmanager
def opened(uri: KeyUri) -> Iterator[Any]:
    """The TPM that a URI leads to, open; what it refuses is told as `Unusable`.

    Raises:
        MissingExtra: the library is absent. Unusable: no such way, or the TPM refuses.
    """
    import_library()
    import tpm2_pytss as tpm

    named = uri.asked("tcti") or DEVICE
    if not _TCTI.fullmatch(named):
        raise Unusable(f"{named!r:.80} is no way to a TPM", mend=f"tcti={DEVICE}, or tcti=swtpm:port=2321 in tests")
    try:
        with tpm.ESAPI(named) as chip:
            yield chip
    except tpm.TSS2_Exception as error:
        raise Unusable(
            "the TPM refused", why=told(error), mend="check the handle, the password and the device"
        ) from error


def told(error: Exception) -> str:
    """What a TPM's error says."""
    return str(error).strip()[:200]


def handle(uri: KeyUri) -> int:
    """The persistent handle that a URI names.

    Raises:
        Unusable: it names none.
    """
    text = uri.one("handle")
    if not _HANDLE.fullmatch(text):
        raise Unusable("the URI names no persistent handle", mend="tpm:handle=0x81000001")
    return int(text, 16)


def key(chip: Any, uri: KeyUri) -> Any:
    """The object under the handle that a URI names."""
    import tpm2_pytss as tpm

    return chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(handle(uri)))


def taken(chip: Any, number: int) -> bool:
    """Whether a handle, persistent or of NV storage, is in use."""
    import tpm2_pytss as tpm

    _, found = chip.get_capability(tpm.TPM2_CAP.HANDLES, number, 1)
    return number in found.data.handles


@contextmanager
def storage_root(chip: Any) -> Iterator[Any]:
    """The storage root key: the same P-256 key each time, made from the owner hierarchy's seed, and flushed after use."""
    import tpm2_pytss as tpm

    bits = tpm.TPMA_OBJECT
    attributes = (bits.USERWITHAUTH | bits.RESTRICTED | bits.DECRYPT | bits.FIXEDTPM | bits.FIXEDPARENT
                  | bits.SENSITIVEDATAORIGIN | bits.NODA)  # fmt: skip
    template = tpm.TPM2B_PUBLIC.parse("ecc256:aes128cfb", objectAttributes=attributes)
    made, *_ = chip.create_primary(tpm.TPM2B_SENSITIVE_CREATE(tpm.TPMS_SENSITIVE_CREATE()), template)
    try:
        yield made
    finally:
        chip.flush_context(made)


@contextmanager
def private_session(chip: Any, root: Any, kind: Any) -> Iterator[Any]:
    """A session salted with the storage root: what it carries crosses the bus encrypted (AES-128-CFB)."""
    import tpm2_pytss as tpm

    symmetric = tpm.TPMT_SYM_DEF(
        algorithm=tpm.TPM2_ALG.AES, keyBits=tpm.TPMU_SYM_KEY_BITS(aes=128), mode=tpm.TPMU_SYM_MODE(aes=tpm.TPM2_ALG.CFB)
    )
    session = chip.start_auth_session(root, tpm.ESYS_TR.NONE, kind, symmetric, tpm.TPM2_ALG.SHA256)
    try:
        flags = tpm.TPMA_SESSION.DECRYPT | tpm.TPMA_SESSION.ENCRYPT | tpm.TPMA_SESSION.CONTINUESESSION
        chip.trsess_set_attributes(session, flags)
        yield session
    finally:
        chip.flush_context(session)
