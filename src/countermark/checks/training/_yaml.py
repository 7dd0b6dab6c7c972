"""YAML read for one thing only: tags and keys that make a loader import or call something.

No YAML library stands between: the answer must not depend on what is installed. The scan follows quotes, comments and block texts; what
it cannot follow it doubts. YAML 1.2.2, sections 5 to 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from countermark.checks.training._targets import objection
from countermark.finding import Severity

_PLAIN_TAGS = frozenset({"!", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!seq", "!!map", "!!set", "!!binary", "!!timestamp",
                         "!!omap", "!!pairs", "!!merge"})  # fmt: skip
_CALLING = re.compile(r"!(?:new|apply|name|obj|call|partial|module|import|singleton|factory):([^\s,\]}]+)")
"""HyperPyYAML and its kin."""
_TAG = re.compile(r"(?:^|(?<=[\s\[{,]))(!<[^>]*>|![^\s,\[\]{}]*)")
_TARGET = re.compile(r"(?:^|[\s{,\-])[\"']?(_target_|__target__|class_path|_component_)[\"']?\s*:\s*(\S[^,}#]*)?")
_CODE_KEY = re.compile(r"(?:^|[\s{,])[\"']?(trust_remote_code|auto_map|custom_pipelines)[\"']?\s*:\s*([^\s,}#]+)")
_ESCAPED = re.compile(r"\\(?:x[2-7][0-9a-fA-F]|u00[2-7][0-9a-fA-F]|U000000[2-7][0-9a-fA-F])")
_ALIAS_KEY = re.compile(r"(?:^|[\s{,])\*[\w-]+\s+?:(?:\s|$)")
_BLOCK = re.compile(r"(?:^|[\s:\-])[|>][+\-0-9]*\s*(?:#.*)?$")
_OFF = frozenset({"false", "no", "off", "null", "~", "none", '""', "''", "[]", "{}", "0"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that a loader might run, and its line."""

    line: int
    what: str
    severity: Severity = "high"


def doubts(text: str) -> Iterator[Doubt]:
    """Everything in a YAML text that names code, or may hide that it does."""
    for number, line in _outside_blocks(text):
        if line.startswith("%TAG"):
            yield Doubt(number, "%TAG gives tags another name", "medium")
        if _ESCAPED.search(line):
            yield Doubt(number, "letters are written as escapes", "medium")
        if _ALIAS_KEY.search(line):
            yield Doubt(number, "an alias stands as a key", "medium")
        yield from _tags(number, _blank_quotes(line))
        yield from _keys(number, line)


def _tags(number: int, line: str) -> Iterator[Doubt]:
    for tag in _TAG.findall(line):
        if tag in _PLAIN_TAGS or (tag.startswith("!<tag:yaml.org,2002:") and "python" not in tag):
            continue
        called = _CALLING.match(tag)
        if called is None or "python" in tag:
            yield Doubt(number, f"tag {tag[:80]}", "high" if "python" in tag else "medium")
        elif why := objection(called.group(1)):
            yield Doubt(number, f"tag {tag[:80]} {why}")


def _keys(number: int, line: str) -> Iterator[Doubt]:
    for key, value in _TARGET.findall(line):
        target = value.strip().strip("\"'")
        why = objection(target) if target else "stands on another line"
        if why and target not in ("null", "~"):
            yield Doubt(number, f"{key} {target[:80]!r} {why}")
    for key, value in _CODE_KEY.findall(line):
        if value.lower() not in _OFF:
            yield Doubt(number, f"{key} is set")


def _outside_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without comments and without the lines of block texts."""
    block: int | None = None
    for number, line in enumerate(re.split(r"\r\n|[\n\r\u0085\u2028\u2029]", text), 1):
        indent = len(line) - len(line.lstrip(" "))
        if block is not None and (not line.strip() or indent > block):
            continue
        block = None
        kept = _uncommented(line)
        yield number, kept
        if _BLOCK.search(_blank_quotes(kept)):
            block = indent


def _uncommented(line: str) -> str:
    """The line up to its comment; a ``#`` inside quotes is none."""
    for at, character in enumerate(_blank_quotes(line)):
        if character == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line


def _blank_quotes(line: str) -> str:
    """The line with what stands in quotes blanked out; quotes that do not close on the line are left."""
    return re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'", lambda m: " " * len(m.group()), line)
