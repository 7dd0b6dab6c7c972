"""Every published mechanism of attacking whoever loads a model, and benign files beside them: recall, false alarms, unproven.

    python attacks/model/corpus.py [--write FOLDER] [--all]

Nothing here is ever loaded. What counts as refused, and why, stands in docs/reference/model-attacks.md.
Bombs may be refused or unproven: they are denied, and nobody is accused.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import beside_files
import gguf_files
import grammar_files
import hdf5_files
import plain_files
import tensorflow_files
from benign import benign
from carriers import carriers
from gadgets import ARGUMENTS, gadgets
from streams import call
from tricks import tricks

FAMILIES = {
    "plain": plain_files, "gguf": gguf_files, "hdf5": hdf5_files, "tensorflow": tensorflow_files, "grammar": grammar_files,
    "beside": beside_files,
}  # fmt: skip
"""Formats that are no pickles: each makes good files, bad ones with the rule that names them, and doubtful ones."""
REACHING = {
    "pickle-names": "a pickle inside, which is loaded", "polyglot": "another loader opens the archive that the file is too",
    "template-attribute": "CVE-2024-34359, CVE-2026-5760", "template-computed": "the same by a name put together", "template-filter": "the same by a filter",
    "template-import": "reads another template", "template-name": "the same by a name of the runtime", "gguf-overflow": "CVE-2026-33298",
    "keras-lambda": "CVE-2024-3660, CVE-2025-9905", "keras-class": "CVE-2026-1462, CVE-2025-49655", "keras-module": "CVE-2025-1550",
    "keras-callable": "CVE-2025-8747, CVE-2025-9906", "keras-path": "CVE-2025-12058", "hdf5-external-link": "opens another file",
    "hdf5-external-data": "opens another file", "hdf5-virtual": "opens another file", "hdf5-filter": "loads a plug-in",
    "code-beside-model": "code that a loader imports", "names-code": "settings that fetch or run code", "savedmodel-operator": "opens files or calls Python",
    "savedmodel-saver": "reads or writes a file when asked", "savedmodel-asset": "reads outside its folder", "skops-loader": "CVE-2025-54412, CVE-2025-54413",
    "skops-type": "CVE-2025-54412", "skops-file": "reads outside the archive", "xml-doctype": "XXE", "xml-include": "opens a file or address",
    "xml-instruction": "opens an address", "pmml-function": "loads a class", "pmml-reference": "opens an address", "tflite-operator": "runs TensorFlow's operator",
    "coreml-kind": "loads a class or another file", "onnx-custom-operator": "loads a library", "onnx-external-path": "CVE-2022-25882, CVE-2024-27318",
}  # fmt: skip
"""Rules whose files do something when they are loaded; what breaks another one makes two readers differ, or walk out of their memory."""


@dataclass(frozen=True)
class Case:
    """A file of the corpus.

    Attributes:
        file: name, with its family as a folder. data: its bytes. family: ``gadget``, ``trick``, ``carrier``, ``benign`` or one of
            `FAMILIES`. tier: ``core``: published or plainly executing; ``edge``: analogues; ``bomb``; ``benign``; ``doubt``: of
            which nothing is known. source: advisory or idea. rule: that must name it, where one file is written for one rule.
    """

    file: str
    data: bytes
    family: str
    tier: str
    source: str
    rule: str = ""


def attacks() -> Iterator[Case]:
    """Everything hostile, in a fixed order."""
    for number, (module, qualname, tier, source) in enumerate(gadgets()):
        file = f"gadget/{number:03}-{module}.{qualname}.pkl"
        yield Case(file, call(module, qualname, ARGUMENTS[number % 2], form=number % 5), "gadget", tier, source)
    for title, data, tier, source in tricks():
        yield Case(f"trick/{title}.pkl", data, "trick", tier, source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the duplicates that are wanted here
        listed = carriers()
    for title, data, tier, source in listed:
        yield Case(f"carrier/{title}", data, "carrier", tier, source)
    for family, made in FAMILIES.items():
        for title, data, rule in made.bad():
            tier = "core" if rule in REACHING else "edge"
            yield Case(f"{family}/bad/{title}", data, family, tier, REACHING.get(rule, f"breaks {rule}"), rule)


def harmless() -> Iterator[Case]:
    """Everything benign."""
    for title, data in benign():
        yield Case(f"benign/{title}", data, "benign", "benign", "")
    for family, made in FAMILIES.items():
        for title, data in made.good():
            yield Case(f"{family}/good/{title}", data, family, "benign", "")


def doubtful() -> Iterator[Case]:
    """Everything that is to be neither refused nor proven: parts of formats that are not read, names that no list has."""
    for family, made in FAMILIES.items():
        for title, data in made.doubtful():
            yield Case(f"{family}/doubt/{title}", data, family, "doubt", "")


def answers(cases: list[Case]) -> dict[str, tuple[str, str]]:
    """What inspection says of each file: the answer, and why."""
    from countermark.checks.model.inspect import inspect_files
    from countermark.formats.source import Memory

    seen = inspect_files([(case.file, Memory(case.data)) for case in cases], confined=False)
    return {answer.path: (answer.answer, answer.why) for answer in seen.files}


def main() -> None:
    """Write the corpus, or measure on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="write the files there instead of inspecting them")
    parser.add_argument("--all", action="store_true", help="list every file that was not answered as wanted")
    asked = parser.parse_args()
    cases = [*attacks(), *harmless(), *doubtful()]
    if asked.write:
        for case in cases:
            place = asked.write / case.file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(case.data)
        print(f"{len(cases)} files in {asked.write}")
        return
    report(cases, answers(cases), list_all=asked.all)


def report(cases: list[Case], said: dict[str, tuple[str, str]], *, list_all: bool = False) -> None:
    """Print one line a family and tier, and the misses."""
    table: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for case in cases:
        table[case.family, case.tier][said[case.file][0]] += 1
    print(f"{'family':10} {'tier':7} {'files':>5} {'refused':>8} {'unproven':>8} {'proven':>7}")
    for (family, tier), count in sorted(table.items()):
        total = sum(count.values())
        print(
            f"{family:10} {tier:7} {total:5} {count['refused']:8} {count['unproven']:8} {count['proven'] + count['not model content']:7}"
        )
    core = sum((c for (f, t), c in table.items() if t == "core"), Counter())
    both = core + sum((c for (f, t), c in table.items() if t == "edge"), Counter())
    good = sum((c for (f, t), c in table.items() if t == "benign"), Counter())
    print(f"recall: core {_percent(core, 'refused')}, core and edge {_percent(both, 'refused')}")
    print(f"benign: refused {_percent(good, 'refused')}, unproven {_percent(good, 'unproven')}")
    for case in cases:
        answer, why = said[case.file]
        if answer not in WANTED.get(case.tier, ("refused",)) and (list_all or case.tier != "edge"):
            print(f"  {answer:9} {case.file}: {why[:140]}")


WANTED = {"benign": ("proven", "not model content"), "bomb": ("refused", "unproven"), "doubt": ("unproven",)}
"""Answers that are right for a tier; all others are to be refused."""


def _percent(count: Counter[str], answer: str) -> str:
    total = sum(count.values())
    return f"{100 * count[answer] / total:.1f} % ({count[answer]}/{total})"


if __name__ == "__main__":
    main()
