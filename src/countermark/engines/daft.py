"""Daft as an engine: its native runner on this machine, or its Ray runner on a cluster that is already there.

Daft takes its runner once per process and, like Ray, reports use to its makers unless its environment says otherwise. So
it runs in a process of its own, which is started with an environment of a few names: nothing of the caller's reaches it,
reports are off, dashboards are not started, BLAS has one thread and the caller's kernels, so that results are equal to the last bit (a
node whose processor lacks the caller's instructions cannot take part). Daft is given batches as opaque bytes; it reads no files
and parses nothing: pictures and tables of others go through confined children, as everywhere.

Batches and results travel as `multiprocessing` carries them between its own processes. Whoever controls a node of the
cluster can therefore run code here: name only a cluster that you trust as this machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import IO

from countermark.engines.engine import Batch, Result, checked_workers, same_kernels
from countermark.errors import Inconclusive, MissingExtra, Unusable

QUIET = {
    "DO_NOT_TRACK": "1", "DAFT_ANALYTICS_ENABLED": "0", "SCARF_NO_ANALYTICS": "1", "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0", "RAY_TQDM": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
}  # fmt: skip
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's own word for: listen on 127.0.0.1 alone."""
FAILED = b"\1"
_AHEAD = 8
_PATIENCE_SECONDS = 20
_TAIL = 4096
_ADDRESS = re.compile(r"[0-9A-Za-z.-]{1,253}:[0-9]{1,5}")
_START = (
    "import sys; sys.path[:] = sys.argv[2:]; from countermark.engines._daft_host import main; main(int(sys.argv[1]))"
)


class Daft:
    """Batches over Daft; a process is started for each `map` and ends with it.

    Batches are handed over in groups of 8 per worker: that many are in memory, and a group is waited for.
    """

    def __init__(self, workers: int, *, cluster: str | None = None, token: Path | None = None) -> None:
        """Choose the runner; nothing is started yet.

        Args:
            workers: threads of the native runner, or parts that a group is cut into for a cluster.
            cluster: HOST:PORT of a Ray cluster's head; without one, the native runner. token: file with the cluster's token.

        Raises:
            Unusable: no worker, or an address that is none. MissingExtra: Daft, or Ray for a cluster, is absent.
        """
        self._workers = checked_workers(workers)
        if cluster is not None and not _ADDRESS.fullmatch(cluster):
            raise Unusable(f"{cluster!r:.80} is no Ray cluster", mend="HOST:PORT of its head")
        for library in ("daft", *(("ray",) if cluster else ())):
            if find_spec(library) is None:
                raise MissingExtra(f"{library} is not installed", mend=f"pip install 'countermark[{library}]'")
        self._cluster, self._token = cluster, token

    def map(self, function: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """As `Engine.map`.

        Raises:
            Inconclusive: Daft's process ended, or the cluster cannot be reached; and whatever `function` raises.
        """
        left = iter(batches)
        group = list(islice(left, _AHEAD * self._workers))
        if not group:
            return
        with self._host(ForkingPickler.dumps(function)) as ask:
            while group:
                answers = ask([bytes(ForkingPickler.dumps(batch)) for batch in group])
                for answer in answers:
                    value = ForkingPickler.loads(memoryview(answer)[1:])
                    if answer[:1] == FAILED:
                        raise value
                    yield value
                group = list(islice(left, _AHEAD * self._workers))

    @contextmanager
    def _host(self, function: memoryview) -> Iterator[Callable[[list[bytes]], list[bytes]]]:
        ours, theirs = Pipe()
        with closing(ours), tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as said:
            process = self._start(theirs, home, said)
            theirs.close()

            def ask(group: list[bytes]) -> list[bytes]:
                try:
                    ours.send(group)
                    answers: list[bytes] = ours.recv()
                except (EOFError, OSError) as error:
                    raise Inconclusive(
                        "Daft's process ended before its work", why=_tail(process, said),
                        mend="see whether memory ran out, or whether the cluster can be reached; a journalled run goes on",
                    ) from error  # fmt: skip
                return answers

            try:
                ask([bytes(function), str(self._workers).encode(), (self._cluster or "").encode()])
                yield ask
            finally:
                ours.close()
                _end(process)

    def _start(self, theirs: Connection, home: str, said: IO[bytes]) -> subprocess.Popen[bytes]:
        near = self._cluster is not None and self._cluster.partition(":")[0] in ("127.0.0.1", "localhost")
        environment = QUIET | same_kernels() | {"HOME": home} | (LOOPBACK if near else {})
        if self._token is not None:
            environment |= {"RAY_AUTH_TOKEN_PATH": str(self._token), "RAY_AUTH_MODE": "token"}
        return subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs.fileno()), *sys.path], env=environment, cwd=home,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
        )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(process: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    _end(process)
    size = said.seek(0, 2)
    said.seek(max(0, size - _TAIL))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return f"exit code {process.returncode}: {lines[-1][:500] if lines else 'it left no message'}"
