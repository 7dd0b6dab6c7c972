"""The pickle machine beside CPython's unpicklers, on streams made here: the same names in the same order, the same end.

    python attacks/formats/pickle_fuzz.py [--seconds 300] [--seed 1]

What must hold, and what `Disagreement` says where it does not:

1. What the machine follows to its STOP without a remark, both unpicklers load: same end, same kind of object, same names.
   Excused: keys that cannot be hashed and values that are too large, which only building them shows.
2. What the C unpickler loads, the machine follows, or refuses under a rule of `STRICTER`.
3. Always: of the names that each of them asked for before it stopped, the shorter list begins the longer one.
"""

from __future__ import annotations

import argparse
import json
import pickle
import pickletools
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))
import pickle_programs

from countermark.formats.limits import Malformed
from countermark.formats.pickle import values as v
from countermark.formats.pickle.compat import renamed
from countermark.formats.pickle.machine import Machine, wrong
from countermark.formats.pickle.run import follow
from countermark.formats.pickle.values import Made, Name
from countermark.formats.source import Memory

STRICTER = {
    "pickle-frame": "frames that lie: C reads on, Python stops",
    "pickle-memo": "an index that no pickler would have reached; PUT at a negative one",
    "pickle-stack": "values left over at STOP, or a mark: no pickler leaves any",
    "pickle-arguments": "NEWOBJ and REDUCE with what is no tuple",
    "pickle-text": "text that its opcode does not allow under every setting of the loader",
    "pickle-name": "a name that is no constant of the stream",
    "pickle-number": "numbers as Python's int() and float() take them and no pickler writes them",
    "pickle-length": "a number of more than a megabyte",
    "pickle-target": "adding nothing to what takes nothing: C does not look",
    "pickle-buffer": "a buffer is made read-only; no pickler does that to what lies in the file",
    "pickle-truncated": "the machine wants the byte after an opcode to be there",
}
"""Rules under which the machine refuses what the C unpickler may take, and why."""
_VALUES = ("unhashable", "too large", "Exceeds the limit")


class Disagreement(AssertionError):
    """The machine and an unpickler differ where they must not."""


class Permissive:
    """Lets everything pass that some class could take; notes what a judge would have to say."""

    def __init__(self):
        self.named, self.remarks, self.calls = [], [], []

    def begins(self, source):
        """As `Judge.begins`: nothing is shown."""

    def name(self, module, qualname, at):
        """As `Judge.name`."""
        self.named.append([module, qualname])
        return Name(module, qualname, at)

    def call(self, role, function, args, at):
        """As `Judge.call`."""
        self.calls.append((role, v.kind(function)))
        if not isinstance(function, Name) or not v.is_kind(args, v.TUPLE):
            self.remarks.append(role)
        return Made(function if isinstance(function, Name) else None, args)

    def build(self, target, state, at, after):
        """As `Judge.build`."""
        if not isinstance(target, Made):
            self.remarks.append("build")
        return after

    def extend(self, role, target, at):
        """As `Judge.extend`."""
        if not isinstance(target, Made):
            raise wrong("target", role, at)

    def persistent(self, id, at):
        """As `Judge.persistent`."""
        return Made(None)


class Oracle:
    """The confined process, kept for many streams; a context manager."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("c_unpickler.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={},
        )  # fmt: skip
        self.held = json.loads(self._process.stdout.readline())
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, data):
        """What both unpicklers did with a stream."""
        self._process.stdin.write(data.hex() + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def followed(data):
    """What the machine did: rule of its refusal or "", where it ended, itself, and its judge."""
    judge = Permissive()
    machine = Machine(Memory(data), judge)
    try:
        return "", follow(machine), machine, judge
    except Malformed as error:
        return error.rule, error.offset, machine, judge


def compare(data, said, *, sound=False):
    """Hold the machine against what the unpicklers said; returns how it went.

    A `sound` stream leaves nothing on its stack: there rule 2 allows no `pickle-stack`.

    Raises:
        Disagreement: they differ.
    """
    rule, end, machine, judge = followed(data)
    for which, it in said.items():
        _same_names(data, which, it, judge.named, rule)
        loads = not it["error"]
        if not rule and not judge.remarks and not loads and not any(word in it["why"] for word in _VALUES):
            raise Disagreement(f"followed, and {which} stops: {it['error']} {it['why']}: {data!r}")
        if not rule and loads and (it["end"] != end or not _same_kind(machine.stack[-1], it["kind"])):
            raise Disagreement(f"{which} ends at {it['end']} with {it['kind']}, the machine at {end}: {data!r}")
    if rule and not said["C"]["error"] and (rule not in STRICTER or (sound and rule == "pickle-stack")):
        raise Disagreement(f"C loads what is refused under {rule}: {data!r}")
    return rule or ("followed, with remarks" if judge.remarks else "followed")


def _same_names(data, which, it, named, rule):
    asked = [list(pair) for pair in it["names"]]
    if any(a != b and list(renamed(*a)) != b for a, b in zip(asked, named, strict=False)):
        raise Disagreement(f"{which} asks for {asked}, the machine for {named}: {data!r}")
    if len(asked) > len(named) and not rule:
        raise Disagreement(f"{which} asks for {asked[len(named) :]} unseen: {data!r}")


def _same_kind(value, kind):
    if isinstance(value, Name):
        return kind == "class"
    if isinstance(value, Made) or kind == "Stub":
        return isinstance(value, Made) or kind != "Stub"
    return v.kind(value) == ("None" if kind == "NoneType" else kind)


def boundaries(data):
    """Opcodes as pickletools takes the stream apart: offsets to its STOP, or None where it refuses.

    Empty where a STRING is not ASCII: pickletools stops there, loaders take the encoding they are told.
    """
    try:
        return [at for _, _, at in pickletools.genops(data)]
    except UnicodeDecodeError as error:
        return [] if error.encoding == "ascii" else None
    except Exception:  # noqa: BLE001 - pickletools raises whatever its helpers raise
        return None


def mutated(rng, data):
    """One or two bytes changed, or a cut."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 3)):
        out[rng.randrange(len(out))] = rng.choice((rng.randrange(256), *b"(.0R\x93\x81\x94qh"))
    return bytes(out[: rng.randrange(1, len(out) + 1)] if rng.random() < 0.1 else out)


def written(rng):
    """What the pickler writes of a made-up value."""
    return pickle.dumps(_value(rng, 4), rng.randrange(6))


def _value(rng, depth):
    kind = rng.randrange(10 if depth else 6)
    if kind < 6:
        return [None, rng.random() < 0.5, rng.randrange(1 << rng.randrange(1, 70)), "t" * rng.randrange(300), rng.random(),
                rng.randbytes(rng.randrange(300))][kind]  # fmt: skip
    inner = [_value(rng, depth - 1) for _ in range(rng.randrange(5))]
    return [inner, dict(zip("abcde", inner, strict=False)), tuple(inner), {1, len(inner)}][kind - 6]


def stream(rng):
    """One of every kind of stream."""
    kind = rng.randrange(5)
    if kind == 0:
        return pickle_programs.program(rng)
    if kind == 1:
        return pickle_programs.sound(rng)
    return mutated(rng, written(rng) if kind == 2 else pickle_programs.sound(rng)) if kind < 4 else written(rng)


def main() -> None:
    """Run for a while, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng, count, until = Random(asked.seed), Counter(), time.monotonic() + asked.seconds
    with Oracle() as oracle:
        print("held by", ", ".join(oracle.held["applied"]), "; missing", oracle.held["missing"] or "nothing")
        while time.monotonic() < until:
            data = stream(rng)
            count[compare(data, oracle.ask(data))] += 1
    print(f"{sum(count.values())} streams, no disagreement")
    for outcome, number in count.most_common():
        print(f"{number:8} {outcome}")


if __name__ == "__main__":
    main()
