"""A few opcodes in words, for people who read a finding; nothing is decided by them."""

from __future__ import annotations

import io

from countermark.sandbox.task import Source

_BYTES, _OPCODES, _CHARACTERS = 512, 6, 48


def excerpt(source: Source, at: int) -> str:
    """The opcodes from an offset on, such as ``GLOBAL 'os system', MARK, STRING 'id'``; an empty string where there is none.

    Args:
        at: offset of an opcode. At most 512 bytes and six opcodes are looked at; what does not end there is cut with ``...``.
    """
    import pickletools

    if not 0 <= at < source.size:
        return ""
    words: list[str] = []
    try:
        for code, argument, _ in pickletools.genops(io.BytesIO(source.read(at, min(_BYTES, source.size - at)))):
            words.append(code.name if argument is None else f"{code.name} {_short(argument)}")
            if len(words) == _OPCODES or code.name == "STOP":
                break
    except ValueError:  # cut short by our own limit, or no opcode: what was read is shown
        words.append("...")
    return ", ".join(words)


def _short(argument: object) -> str:
    text = ascii(argument)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}..."
