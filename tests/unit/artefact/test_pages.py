"""Memory for large files: the same bytes and roots whatever pages carry them, and dear pages are given up."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import time
from pathlib import Path

import pytest

from countermark.artefact import _private
from countermark.artefact import pages as pages_module
from countermark.artefact.pages import PIECE_BYTES, STRETCH_BYTES, Pages
from countermark.artefact.profile import SHA256
from countermark.artefact.tree import CHUNK_BYTES, bytes_root

SIZE = 6 * CHUNK_BYTES + PIECE_BYTES + 4097


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


def filled(file: Path, pages: Pages) -> list[int | None]:
    """Fill all chunks in order; which advice each was given."""
    given: list[int | None] = []
    real = pages.advise

    def advised(advice: int | None, at: int, count: int) -> None:
        if advice != pages_module._POPULATE_WRITE:
            given.append(advice)
        real(advice, at, count)

    pages.advise = advised  # type: ignore[method-assign]
    with open(file, "rb") as opened:
        for at in range(0, SIZE, CHUNK_BYTES):
            got = sum(map(len, pages.pieces(opened.fileno(), at, min(CHUNK_BYTES, SIZE - at))))
            assert got == min(CHUNK_BYTES, SIZE - at)
    assert pages.view == file.read_bytes()
    return given


def clock(monkeypatch: pytest.MonkeyPatch, small: int, huge: int, pages: Pages) -> None:
    """Each reading of a piece costs that many nanoseconds, by the kind of its pages."""
    now, calls = 0, itertools.count()

    def told() -> int:
        nonlocal now
        first = pages._small_cost == 0 or pages._dear >= pages_module._PATIENCE
        now += (small if first else huge) if next(calls) % 2 else 0
        return now

    monkeypatch.setattr(time, "thread_time_ns", told)


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this platform has no huge pages to ask for")
def test_huge_pages_stay_where_they_are_cheap(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(SIZE)
    clock(monkeypatch, 1000, 300, pages)
    assert filled(file, pages) == [mmap.MADV_NOHUGEPAGE] + [mmap.MADV_HUGEPAGE] * 12


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this platform has no huge pages to ask for")
def test_huge_pages_are_given_up_where_they_are_dear(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(SIZE)
    clock(monkeypatch, 1000, 8000, pages)
    huge = [mmap.MADV_HUGEPAGE] * pages_module._PATIENCE
    assert filled(file, pages) == [mmap.MADV_NOHUGEPAGE, *huge] + [mmap.MADV_NOHUGEPAGE] * 9


@pytest.mark.parametrize("starts", [0, 1, 4096, STRETCH_BYTES - 1, STRETCH_BYTES + 70_000, 7 << 30])
@pytest.mark.parametrize("size", [0, 1, 5000, STRETCH_BYTES, 3 * STRETCH_BYTES + 5])
def test_a_stretch_of_the_stream_is_a_huge_page_here(starts: int, size: int) -> None:
    pages = Pages(size, starts=starts)
    assert len(pages.view) == size and not pages.view.readonly
    if not size:
        return
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages.view))
    assert address % mmap.PAGESIZE == 0
    if size >= STRETCH_BYTES:
        assert (starts - address) % STRETCH_BYTES < mmap.PAGESIZE


def test_each_page_is_advised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches that begin amid a page, as those of a file amid a stream do: no page of one is given to the next."""
    advised: list[tuple[int, int]] = []

    class Memory:
        def __len__(self) -> int:
            return STRETCH_BYTES * 4

        def madvise(self, _advice: int, at: int, count: int) -> None:
            advised.append((at, at + count))

    pages = Pages(STRETCH_BYTES * 3, starts=STRETCH_BYTES - 5000)
    lead = pages._lead
    monkeypatch.setattr(pages, "_memory", Memory())
    edges = [0, 5000, 5000 + STRETCH_BYTES, 5000 + STRETCH_BYTES + 1, STRETCH_BYTES * 3]
    for begin, end in itertools.pairwise(edges):
        with pages.stretch(begin, end - begin):
            pass
    assert [at % mmap.PAGESIZE for span in advised for at in span] == [0] * 2 * len(advised)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(advised))
    assert advised[0][0] == lead and advised[-1][1] == lead + STRETCH_BYTES * 3


@pytest.mark.skipif(pages_module._POPULATE_WRITE is None, reason="this platform has no pages to ask for")
def test_pages_that_were_asked_for_are_there() -> None:
    """And no others: what is asked for is resident (mincore, as Linux tells it), and reads as zeros."""
    pages = Pages(STRETCH_BYTES * 2, starts=mmap.PAGESIZE * 3)
    pages.advise(mmap.MADV_NOHUGEPAGE, 0, STRETCH_BYTES * 2)
    pages.populate(mmap.PAGESIZE * 5 + 1, mmap.PAGESIZE * 4)
    told = (ctypes.c_ubyte * (STRETCH_BYTES * 2 // mmap.PAGESIZE))()
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages.view))
    mincore = ctypes.CDLL(None).mincore
    mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    assert mincore(address, STRETCH_BYTES * 2, told) == 0
    assert [number for number, one in enumerate(told) if one & 1] == [6, 7, 8, 9]
    assert not any(pages.view[: 10 * mmap.PAGESIZE])
    pages.populate(STRETCH_BYTES * 2 - 1, STRETCH_BYTES * 9)  # what is not there is not asked for


def test_where_no_advice_is_taken_the_bytes_are_the_same(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for advice in (None, 9999):
        for name in ("_SMALL", "_HUGE", "_POPULATE_WRITE"):
            monkeypatch.setattr(pages_module, name, advice)
        assert set(filled(file, Pages(SIZE))) <= {advice}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_root_is_that_of_the_bytes(file: Path, threads: int) -> None:
    with open(file, "rb") as opened:
        view, root = _private.anonymous(opened.fileno(), SIZE, SHA256, threads)
    assert view == file.read_bytes() and root == bytes_root(file.read_bytes())


def test_a_file_that_ends_early_has_another_root(file: Path) -> None:
    with open(file, "rb") as opened:
        for longer in (1, PIECE_BYTES, CHUNK_BYTES * 2):
            view, root = _private.anonymous(opened.fileno(), SIZE + longer, SHA256, 2)
            assert root != bytes_root(bytes(view)) and root != bytes_root(file.read_bytes() + bytes(longer))
        pieces = list(Pages(SIZE).pieces(opened.fileno(), SIZE - 10, CHUNK_BYTES // 2))
    assert [len(piece) for piece in pieces] == [10]
