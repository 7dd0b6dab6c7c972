"""Which witnesses must have seen the ledger before anything in it counts.

Source: C2SP tlog-policy. The text stands in the trust document; nothing that a passport brings can change it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from countermark.errors import TrustRefused
from countermark.keys.cosigner import CosignerKey

NONE = "none"
MAX_BYTES = 256 << 10
MAX_LINES = 256
MAX_WITNESSES = 64
_KEY_ID = re.compile("[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of a policy: its name there, its key, where it is asked (empty: by files), and the end of its key, where the
    trust document names one (`ends.quorum_of`)."""

    name: str
    key: CosignerKey
    url: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quorum:
    """A policy as parsed.

    Attributes:
        source: its text. logs: verifier keys of logs, as text. groups: name -> (how many, members).
        rule: name of the witness or group that decides, or `NONE`. ledger_ends: origin, key (32 bytes) and end of ledger keys that
            end, from the trust document.
    """

    source: str
    logs: tuple[str, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    rule: str = NONE
    ledger_ends: tuple[tuple[str, bytes, datetime], ...] = ()

    @property
    def needed(self) -> bool:
        """Whether any cosignature is asked for."""
        return self.rule != NONE

    def satisfied(self, seen: Collection[str]) -> bool:
        """Whether these witnesses (by policy name) are enough."""
        return self.rule == NONE or self._holds(self.rule, seen)

    def _holds(self, name: str, seen: Collection[str]) -> bool:
        if name not in self.groups:
            return name in seen
        least, members = self.groups[name]
        return sum(self._holds(m, seen) for m in members) >= least


@dataclass(slots=True)
class _Draft:
    logs: list[str] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    rule: str = ""
    members: set[str] = field(default_factory=set)

    def known(self, name: str) -> bool:
        return name in self.groups or any(w.name == name for w in self.witnesses)


def parse(text: str) -> Quorum:
    """Parse a tlog-policy file, or the word ``none``.

    Raises:
        TrustRefused: malformed, too large, a name twice or before it is defined, a key twice, no or two quorum lines.
    """
    if text == NONE:
        return Quorum(NONE)
    lines = text.split("\n")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES or len(lines) > MAX_LINES:
        raise TrustRefused("a witness policy is too large", why=f"at most {MAX_BYTES} bytes and {MAX_LINES} lines")
    if any((c < " " and c not in "\n\t") or c == "\x7f" for c in text):
        raise TrustRefused("a witness policy holds a control character")
    draft = _Draft()
    for number, line in enumerate(lines, 1):
        words = line.strip(" \t").replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            _line(draft, words, f"witness policy, line {number}")
    if not draft.rule:
        raise TrustRefused("a witness policy without a quorum line", mend="add `quorum NAME`, or `quorum none`")
    return Quorum(text, tuple(draft.logs), tuple(draft.witnesses), draft.groups, draft.rule)


def _line(draft: _Draft, words: Sequence[str], where: str) -> None:
    match words:
        case ["log", vkey] | ["log", vkey, _]:
            if log_key(vkey)[1] in {log_key(known)[1] for known in draft.logs}:
                raise TrustRefused(f"{where}: a log key twice", why="under another name it is the same key")
            draft.logs.append(vkey)
        case ["witness", name, vkey]:
            _witness(draft, Witness(name, CosignerKey.from_vkey(vkey)), where)
        case ["witness", name, vkey, url]:
            _witness(draft, Witness(name, CosignerKey.from_vkey(vkey), url), where)
        case ["group", name, least, *members] if members:
            _new(draft, name, where)
            draft.groups[name] = (_least(least, len(members), where), _members(draft, members, where))
        case ["quorum", name] if not draft.rule:
            if name != NONE and not draft.known(name):
                raise TrustRefused(f"{where}: {name!r:.80} is not defined before")
            draft.rule = name
        case _:
            raise TrustRefused(f"{where} cannot be read", why=" ".join(words)[:120])


def log_key(vkey: str) -> tuple[str, bytes]:
    """Name and public key of a log, whatever kind of key it has (C2SP signed-note, "Verifier keys").

    Raises:
        TrustRefused: malformed.
    """
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded.encode("ascii"), validate=True)
    except ValueError as error:
        raise TrustRefused("a log key is not base64", why=f"{vkey!r:.80}") from error
    if not name or not _KEY_ID.fullmatch(key_id) or len(raw) < 2 or base64.b64encode(raw).decode() != encoded:
        raise TrustRefused("a log key is not in its one form", why=f"{vkey!r:.80}")
    return name, raw[1:]


def _new(draft: _Draft, name: str, where: str) -> None:
    if name == NONE or draft.known(name):
        raise TrustRefused(f"{where}: the name {name!r:.80} is taken")


def _witness(draft: _Draft, witness: Witness, where: str) -> None:
    _new(draft, witness.name, where)
    if any(w.key.public == witness.key.public for w in draft.witnesses):
        raise TrustRefused(f"{where}: a witness key twice", why="one witness would count as two")
    if len(draft.witnesses) == MAX_WITNESSES:
        raise TrustRefused(f"{where}: more than {MAX_WITNESSES} witnesses")
    draft.witnesses.append(witness)


def _least(text: str, count: int, where: str) -> int:
    plain = text.isascii() and text.isdecimal() and len(text) < 5 and not text.startswith("0")
    least = {"any": 1, "all": count}.get(text) or (int(text) if plain else 0)
    if not 1 <= least <= count:
        raise TrustRefused(f"{where}: {text!r:.20} of {count} members", mend="any, all, or a number of them")
    return least


def _members(draft: _Draft, members: Sequence[str], where: str) -> tuple[str, ...]:
    for member in members:
        if member in draft.members or not draft.known(member):
            raise TrustRefused(
                f"{where}: {member!r:.80} is not defined before, or is a member already",
                why="a witness may count in only one way",
            )
        draft.members.add(member)
    return tuple(members)
