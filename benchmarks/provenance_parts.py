"""The parts of `provenance.py`: each makes its files, runs both sides turn about and gives rows, or says why it cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tree_sign
from cost import SUFFIXES, Cost, measure, medians, told, turn_about
from figures import Goal, NotMeasured, Row, of_costs

COUNTERMARK = Path(sys.executable).with_name("countermark")
RESIGN = Path(__file__).with_name("resign.py")
SIGN, VERIFY = "model-signing sign", "model-signing verify"


@dataclass(frozen=True)
class Sizes:
    """How much is measured: files, bytes, entries, calls."""

    many: int = 50_000
    big: int = 4 * SUFFIXES["G"]
    thousand: int = 1000
    model: int = 2 * SUFFIXES["G"]
    entries: int = 50_000
    singles: int = 300
    each: int = 100
    proofs: int = 2000
    starts: int = 11


FULL = Sizes()
QUICK = Sizes(200, 8 * SUFFIXES["M"], 10, 64 * SUFFIXES["M"], 1000, 20, 4, 200, 3)


@dataclass(frozen=True)
class Run:
    """One run of the benchmark: sizes, rounds, where files are made, and the peer's program."""

    sizes: Sizes
    rounds: int
    folder: Path
    peer: Path

    @property
    def full(self) -> bool:
        """Whether the targets are for these sizes."""
        return self.sizes == FULL

    def most(self, bound: float) -> Goal:
        """A cost to stay below, at full size."""
        return Goal(bound, holds=self.full)

    def room(self, size_bytes: int) -> None:
        """
        Raises:
            NotMeasured: the disc is too small.
        """
        free = shutil.disk_usage(self.folder).free
        if free < size_bytes + SUFFIXES["G"]:
            raise NotMeasured(f"{size_bytes:,} bytes are needed in {self.folder}, {free:,} are free: --folder DIR")


def many(run: Run, place: Path) -> list[Row]:
    """Sign and verify many small files."""
    tree_sign.make_many(place / "many", run.sizes.many)
    what = f"{run.sizes.many:,} x 4 KiB"
    return _folder(run, place, "many", what, {"cpu": run.most(1.0), "rss": run.most(100)})


def thousand(run: Run, place: Path) -> list[Row]:
    """Sign and verify a thousand middling files."""
    for number in range(run.sizes.thousand):
        tree_sign.make_big(place / "thousand" / f"{number:04d}", SUFFIXES["M"])
    return _folder(run, place, "thousand", f"{run.sizes.thousand:,} x 1 MiB", {})


def _folder(run: Run, place: Path, name: str, what: str, goals: dict[str, Goal]) -> list[Row]:
    """One folder: our statement, and our OMS bundle as the command line makes it, beside the peer's bundle."""
    folder, key = place / name, tree_sign.private_key(place)
    bundle = [COUNTERMARK, "oms", "sign", folder, "--key", key, "--signature", place / "ours.sig"]
    costs = tree_sign.compare({**tree_sign.sides(folder, ["tree"], place, run.peer), "oms": bundle}, run.rounds)
    tree_sign.work("oms", folder, place)
    return _signed(costs, what, goals) + _verified(run, place, folder, what)


def _signed(costs: dict[str, list[Cost]], what: str, goals: dict[str, Goal]) -> list[Row]:
    peer = costs.get("model-signing", [])
    rows = of_costs(f"sign {what}", costs["tree"], peer, SIGN, goals)
    return rows + (of_costs(f"sign {what}, as OMS", costs["oms"], peer, SIGN) if "oms" in costs else [])


def _verified(run: Run, place: Path, folder: Path, what: str) -> list[Row]:
    """Both sides verify the same bundle, which `tree_sign` wrote."""
    signature, key = place / "model.sig", place / "oms.pem"
    said: dict[str, list[str | Path]] = {
        "tree": [sys.executable, tree_sign.__file__, "--worker", "check", folder, place],
        "oms": [COUNTERMARK, "oms", "verify", folder, "--signature", signature, "--public-key", key],
    }
    if run.peer.exists():
        said["model-signing"] = [
            run.peer, "verify", "key", folder, "--signature", signature, "--public_key", key,
        ]  # fmt: skip
    costs = tree_sign.compare(said, run.rounds)
    peer = costs.get("model-signing", [])
    return of_costs(f"verify {what}", costs["tree"], peer, VERIFY) + of_costs(
        f"verify {what}, as OMS", costs["oms"], peer, VERIFY
    )


def big(run: Run, place: Path) -> list[Row]:
    """Sign one large file."""
    run.room(run.sizes.big)
    tree_sign.make_big(place / "big", run.sizes.big)
    costs = tree_sign.compare(tree_sign.sides(place / "big", ["tree"], place, run.peer), run.rounds)
    return _signed(costs, f"one file of {told(run.sizes.big)}", {"wall": run.most(1.8)})


def again(run: Run, place: Path, script: Path = RESIGN) -> list[Row]:
    """Sign again after 1 % of the files changed.

    `resign.py --json` prints {"full": [CPU seconds of a full pass, ...], "again": [those of the pass after, ...]} last.

    Raises:
        NotMeasured: signing again from a cache is not there.
    """
    if not script.exists():
        raise NotMeasured("there is no cache for signing again (`countermark digest --cache`, benchmarks/resign.py)")
    done = subprocess.run(
        [sys.executable, script, "--json", "--files", str(run.sizes.many), "--rounds", str(run.rounds), "--folder", place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    try:
        said = json.loads(done.stdout.splitlines()[-1])
        costs = [[float(value) for value in said[name]] for name in ("full", "again")]
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise NotMeasured(f"{script.name} ended with {done.returncode}: {done.stderr[-300:]}{error!r}") from error
    faster = [full / later for full, later in zip(*costs, strict=True)]
    goal = Goal(20, at_least=True, holds=run.full)
    return [
        Row("sign again, 1 % changed", "CPU", "s", costs[1], costs[0], "the full pass"),
        Row("sign again, 1 % changed", "faster", "x", faster, goal=goal, more_is_better=True),
    ]


def load(run: Run, place: Path) -> list[Row]:
    """Load a model verified, beside loading it plainly, and beside verifying it first.

    Raises:
        NotMeasured: the disc is too small, or safetensors is absent.
    """
    for library in ("numpy", "safetensors"):
        if not find_spec(library):
            raise NotMeasured(f"{library} is not installed: it is what the plain load uses")
    run.room(run.sizes.model)
    import verified_load

    costs = verified_load.compare(place, run.sizes.model, run.rounds, 2, run.peer)
    bare, rows = medians(costs)["bare"].cpu, []
    what, peer = f"load {told(run.sizes.model)}", costs.get("model-signing", [])
    for name in verified_load.OURS:
        rows += of_costs(f"{what} verified, {name}", costs[name], peer, "model-signing verify, then load")
        pairs = list(zip(costs[name], costs["plain"], strict=True))
        goal = run.most(1.2) if name == "blake3" else None
        label = f"{what} verified / plain, {name}"
        started = [(ours.cpu - bare) / max(plain.cpu - bare, 1e-3) for ours, plain in pairs]
        rows.append(Row(label, "CPU", "x", [ours.cpu / plain.cpu for ours, plain in pairs], goal=goal))
        rows.append(Row(label + ", once started", "CPU", "x", started, goal=goal))
        rows.append(Row(label, "memory", "x", [ours.rss / plain.rss for ours, plain in pairs]))
    return rows


def append(run: Run, place: Path) -> list[Row]:
    """Durable appends with a receipt each, in one batch and from concurrent callers."""
    ledger = _ledger()
    leaves, rounds = [os.urandom(33) for _ in range(run.sizes.entries)], range(run.rounds)
    few = leaves[: run.sizes.singles]
    batch = [(ledger.ours_batch(place, leaves), ledger.peer_batch(place, leaves)) for _ in rounds]
    alone = [ledger.peer_singles_proofs(place, few) for _ in rounds]
    rows = [_rate("append in one batch, receipts", [o for o, _ in batch], [p for _, p in batch], "pymerkle, no proofs",
                  Goal(50_000, at_least=True, holds=run.full))]  # fmt: skip
    for callers in (1, 16, 64):
        entries = few if callers == 1 else leaves[: callers * run.sizes.each]
        ours = [ledger.ours_concurrent(place, entries, callers) for _ in rounds]
        goal = Goal(1000, at_least=True, holds=run.full) if callers > 1 else None
        rows.append(
            _rate(f"append, {callers} callers, a receipt each", ours, alone, "pymerkle one by one, proofs", goal)
        )
    return rows


def proofs(run: Run, place: Path) -> list[Row]:
    """Inclusion proofs made and verified; receipts verified, their signature included."""
    ledger = _ledger()
    leaves = [os.urandom(33) for _ in range(run.sizes.entries)]
    ours, peer = [], []
    for _ in range(run.rounds):
        ours.append(ledger.ours_proofs(place, leaves, run.sizes.proofs))
        peer.append(ledger.peer_proofs(place, leaves, run.sizes.proofs))
    of = f"of {run.sizes.entries:,}"
    return [
        _rate(f"inclusion proofs {of}", [o[0] for o in ours], [p[0] for p in peer], "pymerkle"),
        _rate(f"inclusion proofs {of} verified", [o[1] for o in ours], [p[1] for p in peer], "pymerkle"),
        _rate("receipts verified, with signature", [o[2] for o in ours], [], ""),
    ]


def _ledger() -> Any:
    if not find_spec("pymerkle"):
        raise NotMeasured("pymerkle is not installed: it is a development dependency")
    import ledger

    return ledger


def _rate(work: str, ours: Sequence[Any], peer: Sequence[Any], beside: str, goal: Goal | None = None) -> Row:
    return Row(work, "rate", "/s", [t.wall for t in ours], [t.wall for t in peer], beside, goal, more_is_better=True)


def start(run: Run, place: Path) -> list[Row]:
    """How long commands take to start, in wall milliseconds; these targets are the same at any size."""
    (place / "small").mkdir()
    (place / "small" / "a.txt").write_text("a")
    ours: dict[str, tuple[list[str | Path], int, Goal | None]] = {
        "countermark --version": (["--version"], 0, None),
        "countermark --help": (["--help"], 0, Goal(250)),
        "countermark verify --help": (["verify", "--help"], 0, Goal(200)),
        "countermark verify, a small folder": (["verify", place / "small"], 3, Goal(300)),
    }
    peers: dict[str, list[str | Path]] = {
        "countermark --version": ["--version"], "countermark --help": ["--help"],
        "countermark verify --help": ["verify", "key", "--help"],
    }  # fmt: skip
    rows = []
    for name, (words, code, goal) in ours.items():
        sides: dict[str, Callable[[], Cost]] = {
            "ours": partial(measure, [COUNTERMARK, *words], allowed=[code], cwd=place)
        }
        if run.peer.exists() and name in peers:
            sides["peer"] = partial(measure, [run.peer, *peers[name]])
        took = {
            side: [cost.wall * 1000 for cost in costs] for side, costs in turn_about(sides, run.sizes.starts).items()
        }
        rows.append(Row(name, "wall", "ms", took["ours"], took.get("peer", ()), "model-signing", goal))
    return rows


PARTS: dict[str, Callable[[Run, Path], list[Row]]] = {
    "many": many, "big": big, "thousand": thousand, "again": again, "load": load, "append": append, "proofs": proofs,
    "start": start,
}  # fmt: skip
