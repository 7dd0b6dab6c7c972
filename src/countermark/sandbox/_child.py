"""The confined side of the pipe: what `pipe.Child` starts in a fresh, isolated Python.

Confines itself, says how, then answers requests until the parent goes away. Whatever goes wrong
outside a task's own refusals ends this process: a worker in an unknown state is not used again.
"""

from __future__ import annotations

import json
import os
import select
import threading
from typing import Any, BinaryIO

from countermark.errors import CountermarkError, FormatRefused
from countermark.sandbox import wire
from countermark.sandbox.confinement import confine
from countermark.sandbox.limits import BudgetExceeded, Limits
from countermark.sandbox.task import Answer, Job, resolve

_SETTINGS_BYTES = 1 << 16
_REQUESTS, _ANSWERS = 3, 4


class _Remote:
    """A source that lives in the parent: each read crosses the pipe."""

    def __init__(self, index: int, size: int, pipes: _Pipes) -> None:
        self.size = size
        self._index = index
        self._pipes = pipes

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes at `offset`.

        Raises:
            FormatRefused: they are not there. BudgetExceeded: the request has read too much.
        """
        if offset < 0 or count < 0 or offset + count > self.size:
            raise FormatRefused(f"{count} bytes at byte {offset} lie outside a file of {self.size} bytes")
        if count == 0:
            return b""
        return self._pipes.read(self._index, offset, count)


class _Pipes:
    def __init__(self, requests: BinaryIO, answers: BinaryIO, limits: Limits) -> None:
        self._in = requests
        self._out = answers
        self._limits = limits
        self._left = limits.read_bytes

    def request(self) -> tuple[str, Job]:
        """The next request, its blobs and its sources."""
        _, raw = wire.receive(self._in, {wire.REQUEST: self._limits.request_bytes})
        message = json.loads(raw)
        blobs = tuple(wire.receive(self._in, {wire.BLOB: self._limits.blob_bytes})[1] for _ in range(message["blobs"]))
        self._left = self._limits.read_bytes
        sources = tuple(_Remote(i, size, self) for i, size in enumerate(message["sources"]))
        return message["task"], Job(message["request"], blobs, sources)

    def read(self, index: int, offset: int, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise BudgetExceeded("read_bytes", self._limits.read_bytes)
        self._send(wire.ASK, wire.READ.pack(index, offset, count))
        kind, data = wire.receive(self._in, {wire.DATA: count, wire.REQUEST: 1 << 16})
        if kind == wire.REQUEST:  # the parent could not read: its words, instead of the bytes
            raise FormatRefused(**json.loads(data))
        if len(data) != count:
            raise FormatRefused(f"the source gave {len(data)} of {count} bytes at byte {offset}")
        return bytes(data)

    def answer(self, answer: Answer) -> None:
        arrays = [{"dtype": a.dtype, "shape": list(a.shape)} for a in answer.arrays]
        raw = json.dumps({"json": answer.json, "arrays": arrays}, allow_nan=False).encode()
        if len(raw) > self._limits.answer_bytes:
            raise BudgetExceeded("answer_bytes", self._limits.answer_bytes, what="the answer")
        total = sum(array.declared_bytes() for array in answer.arrays)
        if total > self._limits.array_bytes:
            raise BudgetExceeded("array_bytes", self._limits.array_bytes, what="the answer")
        wire.send(self._out, wire.ANSWER, raw)
        for array in answer.arrays:
            wire.send(self._out, wire.ARRAY, memoryview(array.data).cast("B"))
        self._out.flush()

    def refuse(self, kind: str, content: dict[str, Any]) -> None:
        self._send(wire.ANSWER, json.dumps({kind: content}).encode())

    def hello(self, content: dict[str, Any]) -> None:
        self._send(wire.HELLO, json.dumps(content).encode())

    def _send(self, kind: bytes, payload: bytes) -> None:
        wire.send(self._out, kind, payload)
        self._out.flush()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipe away from descriptors 0 and 1, so that no print can write into an answer."""
    os.dup2(0, _REQUESTS)
    os.dup2(1, _ANSWERS)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    return os.fdopen(_REQUESTS, "rb"), os.fdopen(_ANSWERS, "wb", buffering=1 << 16)


def _end_with_parent() -> None:
    """Exit as soon as the parent has closed its end, even while a task computes."""
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(_REQUESTS, 0)

    def watch() -> None:
        while not any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _renew_cpu(seconds: int) -> None:
    """Give the next request its own processor time; RLIMIT_CPU counts from the start of the process."""
    try:
        import resource
    except ImportError:
        return
    used = sum(os.times()[:2])
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(used) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard < 0 else min(wanted, hard), hard))


def _serve(pipes: _Pipes, limits: Limits) -> None:
    name, job = pipes.request()
    _renew_cpu(limits.cpu_seconds)
    try:
        pipes.answer(resolve(name)(job))
    except BudgetExceeded as error:
        pipes.refuse("budget", {"budget": error.budget, "limit": error.limit})
    except CountermarkError as error:
        pipes.refuse("refused", {"kind": type(error).__name__, **wire.refusal_json(error)})
    except MemoryError:
        pipes.refuse("budget", {"budget": "memory_bytes", "limit": limits.memory_bytes})
        os._exit(0)  # allocation has failed somewhere: nothing in this process can be relied on


def main() -> int:
    """Serve until the parent closes the pipe."""
    requests, answers = _take_pipes()
    _, raw = wire.receive(requests, {wire.SETTINGS: _SETTINGS_BYTES})
    limits = Limits(**json.loads(raw))
    pipes = _Pipes(requests, answers, limits)
    pipes.hello(confine(limits, keep=_ANSWERS + 1).to_json())
    _end_with_parent()
    while True:
        try:
            _serve(pipes, limits)
        except (wire.PipeEndedError, BrokenPipeError):
            return 0
