"""Run a task on hostile bytes in a fresh, confined process, and take nothing from it on trust.

``run_task`` starts one child for one request. ``Child`` keeps one for many, because starting
Python, NumPy and Pillow costs more than most requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self

from countermark import errors
from countermark.canonical import object_from_bytes
from countermark.errors import CountermarkError, FormatRefused, StatementRefused
from countermark.sandbox import wire
from countermark.sandbox.confinement import Confinement
from countermark.sandbox.limits import BudgetExceeded, ChildFailed, Limits
from countermark.sandbox.task import Source, check_name
from countermark.sandbox.wire import RawArray

_STDERR_TAIL = 1 << 16
_HELLO_BYTES = 1 << 16
_START_SECONDS = 60.0
_MAX_ARRAYS = 64
_WATCH_SECONDS = 0.05
# Isolated mode leaves out a user's own site-packages; the folder this package lies in is put back, last.
_PACKAGES = Path(__file__).resolve().parents[2]
_START = "import sys; sys.path.append(sys.argv[1]); from countermark.sandbox._child import main; sys.exit(main())"
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that held to its limits: a JSON object and raw arrays of declared dtype and shape."""

    json: dict[str, Any]
    arrays: list[RawArray]


def run_task(
    task: str,
    request: dict[str, Any],
    blobs: Sequence[bytes] = (),
    *,
    sources: Sequence[Source] = (),
    limits: Limits | None = None,
) -> Reply:
    """Run one task in a fresh child without keys, network, environment or inherited descriptors.

    Args:
        task: ``"countermark.room.module:function"``, marked with `@task`, in an allow-listed room.
        request: JSON object. blobs: raw bytes handed over whole.
        sources: bytes that stay here; the task reads windows of them on demand.

    Raises:
        SandboxRefused: the name is not a task. BudgetExceeded: a limit was crossed; it is named.
        ChildFailed: the child died or answered malformed. FormatRefused: the task refused the bytes.
    """
    with Child(limits) as child:
        return child.ask(task, request, blobs, sources=sources)


class Child:
    """One confined worker for many requests; a context manager.

    Attributes:
        confinement: what holds the child, and what this platform could not give.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._timed_out = self._busy = False
        self._ends: float | None = None
        self._closed = threading.Event()
        self._stderr = bytearray()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", _START, str(_PACKAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd="/" if sys.platform != "win32" else None,
            start_new_session=True,
        )
        self._drain = threading.Thread(target=self._keep_stderr, daemon=True)
        self._drain.start()
        threading.Thread(target=self._watch, daemon=True).start()
        self.confinement = self._handshake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """True while the worker can take another request."""
        return self._process.poll() is None and not self._timed_out and not self._busy

    def ask(
        self, task: str, request: dict[str, Any], blobs: Sequence[bytes] = (), *, sources: Sequence[Source] = ()
    ) -> Reply:
        """Run one task in this worker. Arguments and errors as `run_task`; after `ChildFailed` or a
        crossed time or memory budget the worker is gone and a new one is needed.
        """
        check_name(task)
        message = {"task": task, "request": request, "blobs": len(blobs), "sources": [s.size for s in sources]}
        raw = json.dumps(message, allow_nan=False).encode()
        if len(raw) > self.limits.request_bytes:
            raise BudgetExceeded("request_bytes", self.limits.request_bytes, what="the request")
        if sum(map(len, blobs)) > self.limits.blob_bytes:
            raise BudgetExceeded("blob_bytes", self.limits.blob_bytes, what="the request")
        if not self.alive:
            raise ChildFailed("the confined child is gone", mend="start a new one")
        with self._deadline(self.limits.wall_seconds):
            self._busy = True  # until its answer is here; an exception on the way leaves it unusable
            wire.send(self._to, wire.REQUEST, raw)
            for blob in blobs:
                wire.send(self._to, wire.BLOB, blob)
            self._to.flush()
            return self._reply(sources)

    def close(self) -> None:
        """End the worker and everything in its process group."""
        self._closed.set()
        self._kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()
        self._drain.join(timeout=5)
        if self._process.stderr is not None:
            self._process.stderr.close()

    @property
    def _to(self) -> BinaryIO:
        return self._process.stdin  # type: ignore[return-value]  # PIPE was asked for

    @property
    def _from(self) -> BinaryIO:
        return self._process.stdout  # type: ignore[return-value]  # PIPE was asked for

    def _keep_stderr(self) -> None:
        stream: BinaryIO = self._process.stderr  # type: ignore[assignment]  # PIPE was asked for
        while piece := stream.read(4096):
            self._stderr += piece
            del self._stderr[:-_STDERR_TAIL]

    def _handshake(self) -> Confinement:
        try:
            with self._deadline(_START_SECONDS):
                wire.send(self._to, wire.SETTINGS, json.dumps(self.limits.to_json()).encode())
                self._to.flush()
                _, raw = wire.receive(self._from, {wire.HELLO: _HELLO_BYTES})
                hello = object_from_bytes(bytes(raw), what="the child's greeting")
                return Confinement(tuple(hello["applied"]), tuple(hello["missing"]))
        except CountermarkError:
            self.close()
            raise

    def _reply(self, sources: Sequence[Source]) -> Reply:
        allowed = {wire.ANSWER: self.limits.answer_bytes, wire.ASK: wire.READ.size}
        while True:
            kind, raw = wire.receive(self._from, allowed)
            if kind == wire.ANSWER:
                self._busy = False
                return self._unpack(raw)
            self._serve_read(raw, sources)

    def _serve_read(self, raw: bytearray, sources: Sequence[Source]) -> None:
        index, offset, count = wire.READ.unpack(raw) if len(raw) == wire.READ.size else (len(sources), 0, 0)
        if index >= len(sources) or offset + count > sources[index].size:
            raise wire.ProtocolError(f"a read of {count} bytes at {offset} of source {index}")
        try:
            data = sources[index].read(offset, count)
        except FormatRefused as error:
            wire.send(self._to, wire.REQUEST, json.dumps(wire.refusal_json(error)).encode())
        else:
            wire.send(self._to, wire.DATA, data)
        self._to.flush()

    def _unpack(self, raw: bytearray) -> Reply:
        message = object_from_bytes(bytes(raw), what="the answer", max_bytes=self.limits.answer_bytes)
        match message:
            case {"budget": {"budget": str(budget), "limit": int() | float() as limit}}:
                if budget == "memory_bytes":  # the child ends itself; do not wait to see it
                    self._kill()
                    self._process.wait()
                raise BudgetExceeded(budget, limit)
            case {"refused": {"kind": str(kind), "what": str(what), "why": str(why), "mend": str(mend)}}:
                raise _known(kind)(what, why=why, mend=mend)
            case {"json": dict(content), "arrays": list(declared)} if len(declared) <= _MAX_ARRAYS:
                return Reply(content, self._arrays(declared))
        raise wire.ProtocolError("the answer is not one that a child may give")

    def _arrays(self, declared: list[Any]) -> list[RawArray]:
        out, left = [], self.limits.array_bytes
        for entry in declared:
            if not isinstance(entry, dict):
                raise wire.ProtocolError("an array is not declared")
            size = wire.array_bytes(entry.get("dtype"), entry.get("shape"), left)
            _, data = wire.receive(self._from, {wire.ARRAY: size})
            if len(data) != size:
                raise wire.ProtocolError(f"an array of {len(data)} bytes was declared as {size}")
            left -= size
            out.append(RawArray(entry["dtype"], tuple(entry["shape"]), data))
        return out

    @contextlib.contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        """Have the group killed when the time is over; turn a broken conversation into a typed error."""
        self._ends = time.monotonic() + seconds
        try:
            yield
        except (wire.ProtocolError, BrokenPipeError, StatementRefused, KeyError, TypeError) as error:
            self._autopsy(error, seconds)
        finally:
            self._ends = None

    def _watch(self) -> None:
        # One thread that looks now and then: starting a timer for each request costs more than the request.
        while not self._closed.wait(_WATCH_SECONDS):
            ends = self._ends
            if ends is not None and time.monotonic() > ends:
                self._timed_out = True
                self._kill()

    def _kill(self) -> None:
        if self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def _autopsy(self, error: Exception, seconds: float) -> NoReturn:
        gone = isinstance(error, (wire.PipeEndedError, BrokenPipeError))
        if not gone:
            self._kill()
        code = self._process.wait()
        self._drain.join(timeout=5)
        if self._timed_out:
            raise BudgetExceeded("wall_seconds", seconds) from error
        if code == -getattr(signal, "SIGXCPU", 0):
            raise BudgetExceeded("cpu_seconds", self.limits.cpu_seconds) from error
        lines = bytes(self._stderr).decode("utf-8", "replace").strip().splitlines()
        raise ChildFailed(
            "the confined child " + (f"ended with {_ending(code)}" if gone else f"answered malformed: {error}"),
            why=lines[-1][:500] if lines else "it left no message",
            mend="the input could not be looked at; treat it as refused",
        ) from error


def _environment() -> dict[str, str]:
    if sys.platform == "win32":  # Windows cannot load its own libraries without this name
        import ctypes

        name = ctypes.create_unicode_buffer(260)
        ctypes.windll.kernel32.GetWindowsDirectoryW(name, len(name))
        return {**_ENVIRONMENT, "SYSTEMROOT": name.value}
    return dict(_ENVIRONMENT)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"


def _known(kind: str) -> type[CountermarkError]:
    """The error class of that name, FormatRefused where the child made one up."""
    found = getattr(errors, kind, None)
    return found if isinstance(found, type) and issubclass(found, CountermarkError) else FormatRefused
