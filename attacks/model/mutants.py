"""Which rules of the inspection nobody would miss: each is taken out alone, and every file of the corpus is asked about again.

    python attacks/model/mutants.py [--code PART OF A MODULE'S NAME] [--lists]

A rule is a statement that refuses, one condition that leads to it, one element of a table of what is refused, one line of a list of
names, or a role that a name is not listed for. Without it some file must be answered otherwise: proven, or under another rule.
What is left is printed. `EXEMPT` tells which may be left, and why; the suite runs all of the code and a sample of the lists.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import list_mutants
import removal
from probes import Answer, Probe, probes

import countermark.checks.model
import countermark.formats

LATE = 2
"""Seconds after which a mutant that does not come to an end is found out."""
_ROOMS = {
    countermark.checks.model: "__init__ _check _kinds _look _names _lists inspect files tensors",
    countermark.formats: "__init__ _bmp _cells _column_types _compare_task _decode_task _dicom_actions _dicom_task _gif _jpeg _labelled_task _picture _png _records_task _rows_task _tables _wav_task _webp coding compare decode dicom exif identifiers image strip tricks"
    " samples limits wav",
}
"""Rooms of the readers, and what in them reads no model file."""
EXEMPT = {
    "machine: raise wrong('frame', 'an argument crosses": "settle refuses the same opcode under the same rule, once it was stepped over",
    "machine: raise OverLimit('memo', index": "settle stops there too, once the memo has been built that large",
    "machine: judge.begins(source)": "tells of which bytes findings show an excerpt, and refuses nothing",
    "run: machine.top(at)": "an empty stack at STOP does not hold one value either: the same rule",
    "npy: raise ValueError('too many brackets')": "Python's parser gives up on them as well, after more work",
    "onnx: raise OverLimit('axes', item.size": "the same tensor stops once its numbers are built; asked before they are",
    "lz4: len(out) + count - floor > most": "the block is refused at its end; asked before a copy is built that large",
    "zipped: _FULL in (offset, size)": "tells apart only in an archive of 4 GiB, where a reader could look for a zip64 record",
    "zipped: raise Malformed('zip-deflate', f'{member.name!r}: {error}'": "a stream that breaks does not reach its end: the same rule",
    "zipped: raise Malformed('zip-directory', 'an entry leaves": "what leaves the directory does not end with it: the same rule",
    "source: offset < 0": "the source beneath refuses it under the same rule",
    "source: count < 0": "the source beneath refuses it under the same rule",
    "xml_text: parser.SetParamEntityParsing": "it is expat's default; a document type is refused before any entity",
    "xml_text: raise self._wrong('xml-entity'": "second line: an entity needs a document type, which is refused before",
    "skops: f.rule != rule": "keeps one finding from standing twice, and refuses nothing",
}
"""Rules that no file can show alone: part of a module's name and of the rule, and why it stands there all the same."""


def readers(part: str = "") -> list[ModuleType]:
    """Every module that reads model files."""
    names = [
        f"{room.__name__}.{place.stem}"
        for room, left in _ROOMS.items()
        for place in sorted(Path(room.__path__[0]).glob("*.py"))
        if place.stem not in left.split()
    ]
    names += [
        f"countermark.formats.pickle.{name}" for name in ("_calls", "_constants", "_containers", "machine", "run")
    ]
    return [import_module(name) for name in names if part in name]


def traced(
    asked: list[Probe], modules: list[ModuleType]
) -> tuple[dict[tuple[str, int], list[Probe]], dict[str, Answer]]:
    """Which probes run each line of the modules, and what is said of each probe."""
    wanted = {module.__file__ for module in modules}
    lines, seen, said = defaultdict(list), set[tuple[str, int]](), dict[str, Answer]()

    def inside(frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return inside

    for probe in asked:
        seen.clear()
        before = sys.gettrace()
        sys.settrace(lambda frame, event, arg: inside if frame.f_code.co_filename in wanted else None)
        try:
            said[probe.name] = probe.ask()
        finally:
            sys.settrace(before)
        for line in seen:
            lines[line].append(probe)
    return lines, said


class Late(BaseException):
    """A mutant does not come to an end."""


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def late(_: int, frame: FrameType | None) -> None:
        # Raised in the reader only: what a collector of garbage calls would swallow it.
        if frame and "/countermark/" in frame.f_code.co_filename.replace("\\", "/"):
            raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.01)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def survives(module: ModuleType, refusal: removal.Refusal, near: Iterable[Probe], said: dict[str, Answer]) -> bool:
    """Whether all probes are answered as before."""
    try:
        with _within(LATE), removal.without(module, refusal):
            return all(probe.ask() == said[probe.name] for probe in near)
    except Late:
        return False


def survivors(
    modules: list[ModuleType], lines: dict[tuple[str, int], list[Probe]], said: dict[str, Answer]
) -> Iterator[str]:
    """One line for each rule in the modules' code that could be taken out unnoticed, exempt ones too.

    Args:
        lines, said: as `traced` gives them.
    """
    for module in modules:
        for refusal in removal.refusals(module):
            place = [p for line in range(refusal.line, refusal.last + 1) for p in lines[module.__file__ or "", line]]
            near = sorted({probe.name: probe for probe in place}.values(), key=lambda probe: len(probe.data))
            if survives(module, refusal, near, said):
                stem = module.__name__.rpartition(".")[2]
                yield f"{stem}: {refusal.text[:160]} (line {refusal.place[0]}, {refusal.how}, {len(near)} files)"


def exempt(line: str) -> bool:
    """Whether a survivor is one of those that no file can show."""
    stem, _, text = line.partition(": ")
    return any(name == stem and text.startswith(start) for name, _, start in (key.partition(": ") for key in EXEMPT))


def main() -> None:
    """Take out all of them, and print what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", metavar="PART", help="only the code of modules whose name holds this")
    parser.add_argument("--lists", action="store_true", help="only tables and lists of names")
    asked = parser.parse_args()
    began = time.monotonic()
    if not asked.lists:
        modules = readers(asked.code or "")
        left = list(survivors(modules, *traced(probes(), modules)))
        total = sum(len(removal.refusals(module)) for module in modules)
        print(
            f"code: {total} rules, {total - len(left)} are missed, {sum(map(exempt, left))} exempt ({time.monotonic() - began:.0f} s)"
        )
        print(*(f"  {line}" for line in left if not exempt(line)), sep="\n")
    if not asked.code:
        for title, count, unnoticed in list_mutants.all_of_them():
            print(f"{title}: {count} entries, {count - len(unnoticed)} are missed ({time.monotonic() - began:.0f} s)")
            print(*(f"  {line}" for line in unnoticed), sep="\n")


if __name__ == "__main__":
    main()
