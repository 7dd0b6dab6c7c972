"""URIs that name a key in a trusted element or a key service; parsed strictly, secrets refused.

``pkcs11:`` (RFC 7512) and ``tpm:`` name attributes; ``awskms:KEY`` and ``hv:NAME/VERSION`` a key as its service calls it, and
``spki=`` pins its public half. A URI lies in a file of the workspace, or is typed: a secret in it would stand in the shell's
history and in process lists, so that only where a PIN lies may be said (``pin-source=file:...``), and of a service's
credentials nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from countermark.errors import Unusable

MAX_URI_BYTES = 4096
_ESCAPES = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_FORMS = {
    "pkcs11": (frozenset({"token", "serial", "object", "id"}), frozenset({"module-path", "pin-source"})),
    "tpm": (frozenset({"handle", "pcrs", "epoch", "minutes"}), frozenset({"tcti", "pin-source"})),
    "awskms": (frozenset[str](), frozenset({"spki"})),
    "hv": (frozenset[str](), frozenset({"spki"})),
}
_SERVICE_KEYS = {
    "awskms": re.compile(r"[A-Za-z0-9:/_-]{1,2048}"),
    "hv": re.compile(r"[A-Za-z0-9_.-]{1,128}(?:/[1-9][0-9]{0,8})?"),
}


@dataclass(frozen=True, slots=True)
class KeyUri:
    """A key's place: `scheme`, and the attributes of path and query, unescaped; a service's key is the attribute ``key``."""

    scheme: str
    text: str
    path: dict[str, bytes] = field(default_factory=dict)
    query: dict[str, bytes] = field(default_factory=dict)

    @property
    def in_service(self) -> bool:
        """Whether it is in a key service, which knows who asks by itself: there is no PIN."""
        return self.scheme in _SERVICE_KEYS

    def one(self, name: str) -> str:
        """An attribute of the path as text, "" where it is absent.

        Raises:
            Unusable: it is not UTF-8.
        """
        return _text(self.path.get(name, b""))

    def asked(self, name: str) -> str:
        """An attribute of the query as text, "" where it is absent.

        Raises:
            Unusable: it is not UTF-8.
        """
        return _text(self.query.get(name, b""))

    def pin_file(self) -> Path | None:
        """Where the PIN lies, or None.

        Raises:
            Unusable: not a file.
        """
        source = self.asked("pin-source")
        if not source:
            return None
        if not source.startswith("file:") or source.startswith("file://"):
            raise Unusable("a PIN is read from a file only", mend="pin-source=file:/path/to/pin")
        return Path(source.removeprefix("file:"))


def parse(text: str) -> KeyUri:
    """Parse a key's URI.

    Raises:
        Unusable: unknown scheme or attribute, one twice, a PIN in the URI itself, not well formed.
    """
    text = text.strip()
    scheme, _, rest = text.partition(":")
    if scheme == "sigstore":
        raise Unusable("a keyless signature has no key that a trust document could enrol",
                       mend="`countermark oms sign MODEL --sigstore --signature FILE` signs a model with one")  # fmt: skip
    if scheme not in _FORMS:
        raise Unusable(f"{scheme!r:.40} names no kind of key", mend=f"{', '.join(f'{s}:...' for s in _FORMS)}")
    if len(text) > MAX_URI_BYTES or not text.isprintable():
        raise Unusable("this key URI is too long, or not printable")
    before, _, after = rest.partition("?")
    if not before:
        raise Unusable(f"a {scheme} URI that names nothing", mend="see `countermark key use --help`")
    named, asked = _FORMS[scheme]
    path = _service_key(scheme, before) if scheme in _SERVICE_KEYS else _attributes(before, ";", named)
    return KeyUri(scheme, text, path, _attributes(after, "&", asked))


def _service_key(scheme: str, text: str) -> dict[str, bytes]:
    if not _SERVICE_KEYS[scheme].fullmatch(text):
        raise Unusable(f"{text!r:.80} names no key of a service", mend="awskms:alias/NAME, awskms:ARN, hv:NAME")
    return {"key": text.encode()}


def _attributes(text: str, mark: str, known: frozenset[str]) -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    for part in text.split(mark) if text else []:
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise Unusable("a PIN does not belong in a URI", why="others could read it in the process list",
                           mend="pin-source=file:/path/to/pin, or answer the prompt")  # fmt: skip
        if name not in known or not equals or not value:
            raise Unusable(f"{part!r:.80} is no attribute of such a key", mend=f"known are {', '.join(sorted(known))}")
        if name in out or not _ESCAPES.fullmatch(value):
            raise Unusable(f"the attribute {name!r} stands twice, or is not percent-encoded")
        out[name] = unquote_to_bytes(value)
    return out


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Unusable("this key URI is not UTF-8 where it should be") from error
