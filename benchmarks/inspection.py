"""Inspection beside its peers: recall, false alarms, seconds and memory, one cold process a file.

    python benchmarks/inspection.py --peers FOLDER [--sample 5] [--skip-large] [--only corpus|cost]

FOLDER holds one virtual environment a peer, each with nothing but that peer in it, so that no tool changes another one's answer:

    for tool in picklescan modelscan fickling modelaudit; do
        python -m venv FOLDER/$tool && FOLDER/$tool/bin/pip install $tool typing_extensions
    done
    FOLDER/picklescan/bin/pip install numpy

Peers that are missing are named and left out. As a gate would, only exit codes are read. Refused is 1 for all of them; anything else
but 0, and a time-out, is unclear: neither caught nor a false alarm. Real model files are given by --real FOLDER, fetched by fetch_model_files.py and
never committed; for lack of a better one their label is "benign". Bombs are measured with the costs.
"""

from __future__ import annotations

import argparse
import gzip
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "attacks" / "model"))
import carriers
import corpus

TIMEOUT = 120
_START = """
import os, signal, sys, time
began = time.monotonic()
child = os.fork()
if not child:
    os.setsid()
    for stream in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), stream)
    os.execv(sys.argv[2], sys.argv[2:])
signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
signal.alarm(int(sys.argv[1]))
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), time.monotonic() - began, usage.ru_maxrss)
"""
PEERS = {
    "picklescan": ("picklescan", "-p"), "picklescan --strict": ("picklescan", "--strict", "-p"), "modelscan": ("modelscan", "-p"),
    "fickling": ("fickling", "--check-safety"), "modelaudit": ("modelaudit", "scan"),
}  # fmt: skip


def tools(folder: Path | None) -> dict[str, list[str]]:
    """Command of every tool that is there, Countermark first."""
    own = Path(sys.executable).with_name("countermark")
    found = {"countermark": [str(own), "inspect"]}
    for title, (program, *rest) in PEERS.items():
        path = folder / program / "bin" / program if folder else None
        if path is not None and path.exists():
            found[title] = [str(path), *rest]
        else:
            print(f"not here: {title}")
    return found


def run(command: list[str], file: Path) -> tuple[str, float, float]:
    """Answer by exit code, seconds, and MB of the largest process, children included.

    A small process starts the tool: what a process was before it became another one counts as its memory.
    """
    environment = {**os.environ, "PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1"}
    started = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _START, str(TIMEOUT), *command, str(file)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        cwd=file.parent,  # one of the peers leaves a report where it is started
    )
    code, seconds, memory = started.stdout.splitlines()[-1].split()
    answer = (
        "late" if code == "-9" and float(seconds) >= TIMEOUT else {"0": "clean", "1": "refused"}.get(code, "unclear")
    )
    return answer, float(seconds), int(memory) / 1024


def models(folder: Path) -> list[Path]:
    """Every file below a folder, and as one where a model is a folder of files."""
    found = sorted(folder.rglob("*"))
    whole = {path.parent for path in found if path.name == "saved_model.pb"}
    whole |= {path for path in found if path.suffix == ".mlpackage"}
    return [path for path in found if path in whole or (path.is_file() and not whole.intersection(path.parents))]


def on_corpus(found: dict[str, list[str]], folder: Path, every: int, real: Path | None) -> None:
    """Recall and false alarms."""
    cases = [case for case in (*corpus.attacks(), *corpus.harmless()) if case.tier != "bomb"][::every]
    files = [
        (folder / "corpus" / case.file, case.family if case.tier == "benign" else f"{case.family} {case.tier}")
        for case in cases
    ]
    for (path, _), case in zip(files, cases, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.data)
    files += [(path, "real") for path in models(real)] if real else []
    groups = sorted({group for _, group in files})
    print(f"\n{len(files)} files; refused/unclear of each group")
    print(f"{'':22}" + "".join(f"{g:>16}" for g in groups) + f"{'core recall':>14}{'seconds':>9}")
    for title, command in found.items():
        seen: Counter[tuple[str, str]] = Counter()
        began = time.monotonic()
        for path, group in files:
            seen[group, run(command, path)[0]] += 1
        totals = Counter(group for _, group in files)
        core = [g for g in groups if g.endswith("core")]
        recall = 100 * sum(seen[g, "refused"] for g in core) / max(1, sum(totals[g] for g in core))
        cells = (f"{seen[g, 'refused']}/{seen[g, 'unclear'] + seen[g, 'late']} of {totals[g]}" for g in groups)
        print(
            f"{title:22}"
            + "".join(f"{cell:>16}" for cell in cells)
            + f"{recall:12.1f} %{time.monotonic() - began:9.1f}",
            flush=True,
        )


def costs(folder: Path, *, large: bool) -> list[tuple[str, Path]]:
    """Files that cost: small, many opcodes, large, and bombs."""
    out = [
        ("small torch file", carriers.torch_zip(b"\x80\x02" + carriers.tensor(4, (4,), (1,)) + b".", {"0": bytes(16)})),
        ("bomb, gzip 100 MB", _bomb()),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hostile = {case.file: case.data for case in corpus.attacks()}
    out += [(file, hostile[f"trick/{file}.pkl"]) for file in ("laughs-then-run", "deep-then-run", "marks-then-run")]
    out += [("bomb, torch zip", hostile["carrier/bomb.pt"])]
    files = []
    for title, data in out:
        path = folder / f"{title.replace(' ', '-').replace(',', '')}{'.pt' if data[:2] == b'PK' else '.pkl'}"
        path.write_bytes(data)
        files.append((title, path))
    files.append(("19 M opcodes", _many(folder / "many.pkl")))
    if large:
        files.append(("2.1 GB torch zip", _large(folder / "large.pt")))
    return files


def _bomb() -> bytes:
    return gzip.compress(b"\x80\x04B\0\0\x40\x06" + bytes(100 << 20) + b".", mtime=0)


def _many(path: Path) -> Path:
    """Dictionaries of small numbers in 45 MB: about nineteen million opcodes, no global."""
    rows = [{"a": 300 + i % 250, "b": 300 + i % 9, "c": i / 7, "d": None, "e": True} for i in range(1_380_000)]
    path.write_bytes(pickle.dumps(rows, 4))
    return path


def _large(path: Path) -> Path:
    """One tensor of 2.1 GB, as torch.save lays it out."""
    count = 530_000_000
    data = b"\x80\x02" + carriers.tensor(count, (count,), (1,)) + b"."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("m/data.pkl"), data)
        info = zipfile.ZipInfo("m/data/0")
        info.file_size = count * 4
        with archive.open(info, "w", force_zip64=True) as member:
            piece = os.urandom(1 << 20)
            for at in range(0, count * 4, 1 << 20):
                member.write(piece[: min(1 << 20, count * 4 - at)])
        archive.writestr(zipfile.ZipInfo("m/version"), b"3\n")
    return path


def on_costs(found: dict[str, list[str]], folder: Path, *, large: bool) -> None:
    """Seconds and memory, the best of two runs."""
    files = costs(folder, large=large)
    for title, path in files:
        path.read_bytes() if path.stat().st_size < 1 << 28 else None  # warm
        print(f"\n{title} ({path.stat().st_size / 1e6:.1f} MB)")
        for tool, command in found.items():
            said, seconds, memory = min((run(command, path) for _ in range(2)), key=lambda r: r[1])
            print(f"  {tool:22} {said:8} {seconds:7.2f} s {memory:7.0f} MB", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--sample", type=int, default=1, help="every so manieth file of the corpus")
    parser.add_argument("--skip-large", action="store_true")
    parser.add_argument("--only", choices=("corpus", "cost"))
    asked = parser.parse_args()
    found, folder = tools(asked.peers), Path(tempfile.mkdtemp(prefix="inspection-"))
    try:
        if asked.only != "cost":
            on_corpus(found, folder, asked.sample, asked.real)
        if asked.only != "corpus":
            on_costs(found, folder, large=not asked.skip_large)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
