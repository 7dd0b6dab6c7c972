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
from benign import benign
from carriers import carriers
from gadgets import ARGUMENTS, gadgets
from streams import call
from tricks import tricks


@dataclass(frozen=True)
class Case:
    """A file of the corpus.

    Attributes:
        file: name, with its family as a folder. data: its bytes. family: ``gadget``, ``trick``, ``carrier`` or ``benign``. tier: ``core``:
            published or plainly executing; ``edge``: analogues; ``bomb``; ``benign``. source: advisory or idea.
    """

    file: str
    data: bytes
    family: str
    tier: str
    source: str


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


def harmless() -> Iterator[Case]:
    """Everything benign."""
    for title, data in benign():
        yield Case(f"benign/{title}", data, "benign", "benign", "")


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
    cases = [*attacks(), *harmless()]
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
    good = table["benign", "benign"]
    print(f"recall: core {_percent(core, 'refused')}, core and edge {_percent(both, 'refused')}")
    print(f"benign: refused {_percent(good, 'refused')}, unproven {_percent(good, 'unproven')}")
    for case in cases:
        answer, why = said[case.file]
        wanted = (
            ("proven", "not model content")
            if case.tier == "benign"
            else ("refused", "unproven")
            if case.tier == "bomb"
            else ("refused",)
        )
        if answer not in wanted and (list_all or case.tier != "edge"):
            print(f"  {answer:9} {case.file}: {why[:140]}")


def _percent(count: Counter[str], answer: str) -> str:
    total = sum(count.values())
    return f"{100 * count[answer] / total:.1f} % ({count[answer]}/{total})"


if __name__ == "__main__":
    main()
