"""Sessions with PKCS#11 tokens: opened, logged in and closed here alone, and one key found by its URI.

Sources: PKCS#11 v3.0, RFC 7512 (URIs). The library is python-pkcs11, the extra ``pkcs11``.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from countermark.errors import MissingExtra, Unusable
from countermark.keys.uri import KeyUri

_LOGGED_IN = threading.Lock()
MEND = "name it as `pkcs11-tool --module MODULE -O` lists it: pkcs11:token=T;object=LABEL?module-path=/path/to.so"


def import_library() -> None:
    """Refuse by name where the extra is absent.

    Raises:
        MissingExtra: it is.
    """
    try:
        import pkcs11  # noqa: F401 - asked for only to say by name that it is absent
    except ImportError as error:
        raise MissingExtra("a key in a token needs python-pkcs11", mend="pip install 'countermark[pkcs11]'") from error


@contextlib.contextmanager
def session(uri: KeyUri, pin: bytes | None, *, write: bool = False) -> Iterator[Any]:
    """A session that is logged in; one at a time, because a process logs in to a token once for all its sessions."""
    with _LOGGED_IN:
        opened = _logged_in(uri, pin, write=write)
        try:
            yield opened
        finally:
            opened.close()


def _logged_in(uri: KeyUri, pin: bytes | None, *, write: bool) -> Any:
    import pkcs11

    module = uri.asked("module-path")
    if not module.startswith("/"):
        raise Unusable("the URI names no module", why="which library speaks to the token is not said", mend=MEND)
    label, serial = uri.one("token") or None, uri.path.get("serial")
    try:
        tokens = list(pkcs11.lib(module).get_tokens(token_label=label, token_serial=serial))
        if len(tokens) != 1:
            raise Unusable(f"{len(tokens)} tokens answer to this URI", mend="name the one: token=LABEL or serial=...")
        return tokens[0].open(rw=write, user_pin=pin.decode() if pin else None)
    except pkcs11.PinIncorrect as error:
        raise Unusable(
            "the token's PIN is wrong", why="a few more and it locks itself", mend="check it first"
        ) from error
    except pkcs11.PinLocked as error:
        raise Unusable("the token is locked", mend="its security officer unlocks it") from error
    except (pkcs11.PKCS11Error, UnicodeDecodeError, OSError, RuntimeError) as error:
        raise Unusable(
            "the token cannot be opened", why=told(error), mend="is it plugged in, and the module right?"
        ) from error


def wanted(uri: KeyUri, kind: Any) -> dict[Any, Any]:
    """What the objects that a URI names have: class, label and id."""
    import pkcs11

    wanted: dict[Any, Any] = {pkcs11.Attribute.CLASS: kind}
    if uri.one("object"):
        wanted[pkcs11.Attribute.LABEL] = uri.one("object")
    if "id" in uri.path:
        wanted[pkcs11.Attribute.ID] = uri.path["id"]
    return wanted


def only(session: Any, uri: KeyUri, kind: Any) -> Any:
    """The one key of a class that a URI names.

    Raises:
        Unusable: none, several, or the token cannot be read.
    """
    import pkcs11

    try:
        found = list(session.get_objects(wanted(uri, kind)))
    except pkcs11.PKCS11Error as error:
        raise Unusable("the token cannot be read", why=told(error)) from error
    if len(found) != 1:
        half = kind.name.partition("_")[0].lower()
        raise Unusable(f"{len(found)} {half} keys in the token answer to this URI", mend=MEND)
    return found[0]


def octets(der: bytes) -> bytes:
    """Content of a DER OCTET STRING of less than 256 bytes.

    Raises:
        ValueError: it is none.
    """
    short = der[:1] == b"\x04" and len(der) > 2 and der[1] < 0x80 and len(der) == 2 + der[1]
    long = der[:2] == b"\x04\x81" and len(der) > 3 and len(der) == 3 + der[2]
    if not short and not long:
        raise ValueError("the point is not in DER")
    return der[2:] if short else der[3:]


def told(error: Exception) -> str:
    """What a token's error says: its kind, which is most of it."""
    return f"{type(error).__name__} {error}".strip()
