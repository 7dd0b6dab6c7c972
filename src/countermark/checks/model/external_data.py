"""`model/external-data`: bytes that an ONNX file claims from its neighbours, settled over the whole folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from countermark.checks.model._check import Claim, Look
from countermark.errors import FormatRefused
from countermark.finding import Finding, Where
from countermark.formats.polyglot import ends_as_zip
from countermark.sandbox.task import Source

ID = "model/external-data"
_MAX_PADDING = 1 << 20

Seen = tuple[Source, int, Look]
"""The bytes of a file, its hard links, and what was said of it alone."""


def settle(files: Mapping[str, Seen]) -> dict[str, Look]:
    """Compare every claim with the file that it names.

    A file whose every byte is claimed as numbers, zero padding aside, becomes `proven`; a model whose
    claims do not hold becomes `refused`.

    Args:
        files: relative path to what was seen.
    """
    looks = {path: look for path, (_, _, look) in files.items()}
    claimed: dict[str, list[Claim]] = defaultdict(list)
    for path, (_, _, look) in sorted(files.items()):
        broken = tuple(f for f in (_broken(path, claim, files) for claim in look.claims) if f is not None)
        if broken:
            looks[path] = replace(look, answer="refused", why=broken[0].what, findings=(*look.findings, *broken))
        else:
            for claim in look.claims:
                claimed[claim.path].append(claim)
    for path, claims in claimed.items():
        looks[path] = _covered(files[path][0], looks[path], claims)
    return looks


def _broken(path: str, claim: Claim, files: Mapping[str, Seen]) -> Finding | None:
    if claim.path not in files:
        return _finding(path, claim, "missing", f"{claim.path!r} is not among the files")
    source, links, _ = files[claim.path]
    if links != 1:
        return _finding(path, claim, "hard-link", f"{claim.path!r} has {links} names in the file system")
    if claim.offset + claim.size > source.size:
        return _finding(path, claim, "outside", f"it ends at byte {claim.offset + claim.size} of {source.size}")
    return None


def _finding(path: str, claim: Claim, rule: str, what: str) -> Finding:
    return Finding(
        ID, rule, "high", 1.0, f"external data of tensor {claim.tensor!r}: {what}", Where(path=path, offset=claim.at),
        why="a loader would read other bytes than those that were inspected",
        fix="deliver the data file beside the model, as a plain file with one name",
        cannot_tell="which bytes a loader on another machine would find",
    )  # fmt: skip


def _covered(source: Source, look: Look, claims: list[Claim]) -> Look:
    if look.answer != "unproven" or look.format != "unknown":
        return look
    try:
        gap = _unclaimed(source, claims)
    except FormatRefused as error:
        return replace(look, why=error.what)
    if gap is not None:
        return replace(look, format="onnx external data", why=f"bytes {gap[0]} to {gap[1]} belong to no tensor")
    if ends_as_zip(source) is not None:
        return replace(look, format="onnx external data", why="the numbers end as a zip archive too")
    why = f"all {source.size} bytes belong to {len(claims)} tensors"
    return replace(look, check=ID, format="onnx external data", answer="proven", why=why)


def _unclaimed(source: Source, claims: list[Claim]) -> tuple[int, int] | None:
    """First range that no tensor claims and that is not a little zero padding."""
    at, padding = 0, 0
    for begin, end in [*sorted((c.offset, c.offset + c.size) for c in claims), (source.size, source.size)]:
        if begin > at:
            padding += begin - at
            if padding > _MAX_PADDING or any(source.read(at, begin - at)):
                return at, begin
        at = max(at, end)
    return None
