"""Mutated metadata: read in bounds, and stripping either refuses or leaves nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from hypothesis import given
from test_fuzz_formats import FUZZ, bounded, mutated

from countermark.formats import exif
from countermark.formats.identifiers import told
from countermark.formats.strip import strip

_PATH = Path(__file__).parents[1] / "unit" / "checks_data" / "test_privacy.py"
_SPEC = importlib.util.spec_from_file_location("fuzz_privacy_fixtures", _PATH)
fixtures = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = fixtures
_SPEC.loader.exec_module(fixtures)
SMALL = [data for data, _ in fixtures.BAD.values()]


@FUZZ
@given(mutated([fixtures.planted(), fixtures.thumbnail_exif()]))
def test_exif_is_bounded(data):
    seen = bounded(exif.read, data)
    assert seen is None or len(seen.tags) <= exif.MOST_ENTRIES


@FUZZ
@given(mutated(SMALL))
def test_identifiers_are_bounded_and_stripping_leaves_none(data):
    if bounded(told, data) is not None:
        out = bounded(strip, data)
        assert out is None or not told(out.data).identifiers


def test_dicom_mutations_are_refused_or_read():
    """In the confined child: whatever the parser runs into comes back as a refusal, and the next file is read."""
    import random

    import pytest

    pytest.importorskip("pydicom", reason="DICOM is an extra")
    from countermark.errors import CountermarkError
    from countermark.formats.dicom import Dicom

    path = Path(__file__).parents[1] / "unit" / "formats" / "test_dicom.py"
    spec = importlib.util.spec_from_file_location("fuzz_dicom_fixtures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    whole, rng = module.written(module.full()), random.Random(5)
    with Dicom() as dicom:
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(132, len(data))] = rng.randrange(256)
            try:
                dicom.strip(bytes(data))
            except CountermarkError:
                pass
            except Exception as error:
                raise AssertionError(f"{type(error).__name__} for {bytes(data).hex()}") from error
        assert dicom.look(whole).identifiers
