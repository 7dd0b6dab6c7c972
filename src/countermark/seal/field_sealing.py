"""Sealing fields of a document: which leaves it has, who may read each, and one group of fields for the same parties (`seal.fields`)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from countermark import canonical
from countermark.errors import StatementRefused
from countermark.seal import recipients as lists
from countermark.seal.fields import MOST_DEPTH, MOST_FIELDS, Document, Field, Opening, Path
from countermark.seal.prelude import LEAST_CHUNK, Prelude, new_content_key, new_prelude, wipe
from countermark.seal.recipients import Recipients
from countermark.seal.stanza import Recipient


def seal(
    value: Mapping[str, Any], sealed: Mapping[Path, Sequence[Recipient]], *, name: str, sealer: str, project: str, issued: str,
    before: Iterable[Opening] = (),
) -> Document:  # fmt: skip
    """Seal fields of a document.

    Args:
        value: JSON object; its leaves are fields, lists included. sealed: path -> who may read it; a path to an object seals all
            below it. sealer: id of the key that will sign, hex. before: the fields of the version before, as far as known: those that did not change keep their salts.

    Raises:
        StatementRefused: a path that leads nowhere, a value that has no canonical form, too many fields.
    """
    kept = {(one.path, canonical.to_bytes(one.value)): one.salt for one in before}
    openings = [
        Opening(path, leaf, kept.get((path, canonical.to_bytes(leaf))) or secrets.token_bytes(32))
        for path, leaf in leaves(value)
    ]
    chosen = {one.path: _readers(one.path, sealed) for one in openings}
    for path in sealed:
        if not any(one.path[: len(path)] == path for one in openings):
            raise StatementRefused(f"{'.'.join(path)!r:.120} names no field of {name}")
    sets = sorted({names for _, names in chosen.values() if names})
    made, groups = {}, []
    for number, names in enumerate(sets):
        mine = [one for one in openings if chosen[one.path][1] == names]
        prelude, listed, texts = _sealed_group(mine, chosen[mine[0].path][0], sealer)
        groups.append((prelude, listed))
        made.update({one.path: (number, text) for one, text in zip(mine, texts, strict=True)})
    fields = tuple(
        Field(one.path, one.digest(sealer), None, *made[one.path]) if one.path in made else Field(one.path, one.digest(sealer), one)
        for one in sorted(openings, key=lambda o: o.path)
    )  # fmt: skip
    return Document(name, sealer, project, issued, fields, tuple(groups))


def _readers(path: Path, sealed: Mapping[Path, Sequence[Recipient]]) -> tuple[Sequence[Recipient], tuple[str, ...]]:
    """Who may read a field: the longest path that is named above it counts."""
    for length in range(len(path), 0, -1):
        if path[:length] in sealed:
            found = sealed[path[:length]]
            return found, tuple(sorted(one.name for one in found))
    return (), ()


def _sealed_group(mine: list[Opening], to: Sequence[Recipient], sealer: str) -> tuple[Prelude, Recipients, list[bytes]]:
    content_key = new_content_key()
    try:
        prelude = new_prelude(content_key, len(mine), sealer, chunk=LEAST_CHUNK)
        cipher, aad = prelude.cipher(content_key), prelude.aad()
        texts = [
            cipher.encrypt(prelude.nonce(n), one.to_bytes(), aad + bytes.fromhex(one.digest(sealer)))
            for n, one in enumerate(mine)
        ]
        return prelude, lists.first(prelude, content_key, to, {}), texts
    finally:
        wipe(content_key)


def leaves(value: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """(path, value) of every leaf: whatever is no object, and objects without keys.

    Raises:
        StatementRefused: too deep, too many, or a key that is no text.
    """
    for count, one in enumerate(_leaves(value, ())):
        if count >= MOST_FIELDS:
            raise StatementRefused(f"a document of more than {MOST_FIELDS} fields")
        yield one


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if len(path) > MOST_DEPTH:
        raise StatementRefused(f"a document is nested deeper than {MOST_DEPTH} levels")
    if not isinstance(value, Mapping) or (path and not value):
        yield path, value
        return
    for key in sorted(value):
        if not isinstance(key, str) or canonical.unprintable(key):
            raise StatementRefused("a document's key is no printable text", why=f"seen: {key!r:.80}")
        yield from _leaves(value[key], (*path, key))
