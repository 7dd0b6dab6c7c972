"""Names of members of archives: plain relative paths, that no system takes for anything else.

Source: PKWARE APPNOTE 6.3.10, section 4.4.17; Microsoft, "Naming Files, Paths, and Namespaces", for devices.
"""

from __future__ import annotations

import re
import unicodedata

from countermark.formats.limits import Malformed

_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\..*)?",
    re.IGNORECASE,
)


def check_name(name: str, rule: str, at: int) -> None:
    """A relative path with forward slashes; one slash may end it.

    Raises:
        Malformed: it is absolute, has ``..``, a drive, a device, a stream, a control, or an end that some systems drop.
    """
    parts = name.removesuffix("/").split("/")
    bad = any(part in ("", ".", "..") or part[-1] in ". " or _DEVICE.fullmatch(part) for part in parts)
    if bad or any(c in name for c in "\\:\0") or any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in name):
        raise Malformed(rule, f"the name {name[:80]!r} could leave its folder, or be another one elsewhere", offset=at)


def folded(name: str) -> str:
    """The same for names that some file systems hold for one."""
    return unicodedata.normalize("NFC", name).casefold().removesuffix("/")
