"""The passport file: what is deflated is read back, and no stream makes a reader inflate more than the limit."""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import small_release
from core_world import SUPPLIER, World
from hypothesis import given
from hypothesis import strategies as st

from countermark import canonical
from countermark.errors import Refusal, StatementRefused
from countermark.lifecycle.verify import pinned, verify_model
from countermark.passport import passport as passports
from countermark.passport.passport import HEADER, Passport, packed, unpacked

Made = tuple[World, Path, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    world = small_release.make(tmp_path_factory.mktemp("papers") / "world")
    return world, *small_release.model(world, "model")


@given(st.binary(max_size=4096))
def test_what_was_packed_is_read_back(text: bytes) -> None:
    assert unpacked(packed(text)) == text
    assert text.startswith(HEADER) or unpacked(text) == text


@given(st.binary(max_size=600))
def test_any_bytes_behind_the_header_are_read_or_refused(data: bytes) -> None:
    for file in (HEADER + data, HEADER + zlib.compress(data)):
        try:
            Passport.from_bytes(file)
        except Refusal as refusal:
            assert refusal.what


def test_a_file_of_which_any_part_is_missing_or_that_goes_on_is_refused(made: Made) -> None:
    data = made[2].read_bytes()
    assert data.startswith(HEADER)
    for end in range(0, len(data), max(1, len(data) // 200)):
        with pytest.raises(Refusal):
            Passport.from_bytes(data[:end])
    for more in (b"\0", b"\n", data, zlib.compress(b"{}")):
        with pytest.raises(StatementRefused, match="other bytes follow"):
            Passport.from_bytes(data + more)


def test_a_file_that_inflates_without_end_costs_no_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gibibyte of blanks in one megabyte; the limit is lowered here, so that the test costs no more than that either."""
    most = 4 << 20
    monkeypatch.setattr(passports, "MAX_BYTES", most)
    stream = zlib.compressobj(9)
    bomb = HEADER + b"".join(stream.compress(b" " * (1 << 20)) for _ in range(1024)) + stream.flush()
    assert len(bomb) < 1_100_000
    tracemalloc.start()
    with pytest.raises(StatementRefused, match=f"inflates to more than {most}"):
        Passport.from_bytes(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * most


def test_the_plain_json_of_format_1_is_still_read_and_holds(made: Made, tmp_path: Path) -> None:
    """Its commitments were called deliveries, in the papers and in the verdict."""
    world, model, papers = made
    whole = canonical.object_from_bytes(unpacked(papers.read_bytes()))
    old = whole | {"format": 1, "deliveries": whole.pop("commitments")}
    old.pop("commitments", None)
    file = tmp_path / "old.cmpass"
    file.write_bytes(canonical.to_bytes(old))
    assert verify_model(model, file, pinned(world[SUPPLIER]), world.clock()).verdict.admitted
    for bad in (old | {"commitments": []}, old | {"format": 2}, old | {"format": 3}, whole | {"format": 2}):
        with pytest.raises(StatementRefused):
            Passport.from_bytes(canonical.to_bytes(bad))


def test_a_commitment_that_is_here_twice_is_refused(made: Made, tmp_path: Path) -> None:
    """Deflated, ten thousand copies of one take no room, and each would be verified anew."""
    world, model, papers = made
    passport = Passport.from_bytes(papers.read_bytes())
    many = tmp_path / "many.cmpass"
    many.write_bytes(replace(passport, commitments=passport.commitments * 9000).to_bytes())
    assert many.stat().st_size < 100_000
    with pytest.raises(StatementRefused, match="twice"):
        verify_model(model, many, pinned(world[SUPPLIER]), world.clock())
