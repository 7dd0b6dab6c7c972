"""Identifiers planted in real DICOM header tables and in pictures: how many are found, and how many are left after stripping.

The tables come inside the package torchxrayvision (NLM: 7,470 headers of 176 columns; RSNA: 26,684 of 14); names, dates, UIDs and
numbers of its people are not used: every planted value is made up here.

    python benchmarks/privacy.py --wheel torchxrayvision-1.5.7-py3-none-any.whl --every 10 --seed 0
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import random
import re
import time
import zipfile
from collections import Counter
from pathlib import Path

import pydicom
from pydicom.datadict import DicomDictionary, dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from countermark.errors import CountermarkError
from countermark.formats._dicom_actions import ACTIONS, action
from countermark.formats.dicom import Dicom

SECRET = "PLANTED"
BY_NAME = {re.sub(r"\W", "", entry[2]).lower(): tag for tag, entry in DicomDictionary.items()}
TABLES = {"NLM": "nlmcxr_dicom_metadata", "RSNA": "kaggle_stage_2_train_images_dicom_headers"}
MADE_UP = {
    "DA": "20240506", "TM": "070809", "DT": "20240506070809", "AS": "045Y", "UI": "1.2.3.4711.{n}", "DS": "4711.0815", "IS": "47110815",
    "PN": SECRET + "^{n}",
}  # fmt: skip
WHOLE = ("US", "SS", "UL", "SL", "FL", "FD")


def headers(wheel: Path, name: str) -> list[dict[str, str]]:
    """Rows of one header table."""
    with zipfile.ZipFile(wheel) as archive, archive.open(f"torchxrayvision/data/{TABLES[name]}.csv.gz") as packed:
        return list(csv.DictReader(io.TextIOWrapper(gzip.open(packed), encoding="utf-8")))


def value_of(kind: str, n: int) -> object:
    """A made-up value of a value representation."""
    if kind in WHOLE:
        return 4711 if kind[0] in "USF" else 47
    if kind in ("OB", "OW", "UN"):
        return f"{SECRET}{n:08d}".encode()[:14]
    return MADE_UP.get(kind, SECRET + "{n}").format(n=n)[:16]


def built(row: dict[str, str], rng: random.Random, extra: int) -> tuple[bytes, set[int]]:
    """A DICOM file with the columns that this header fills, identifiers among them replaced by made-up ones, and `extra` more."""
    out, planted = Dataset(), set[int]()
    out.SOPClassUID, out.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", f"1.2.3.4711.{rng.randrange(10**6)}"
    planted.add(0x00080018)
    present = [BY_NAME.get(re.sub(r"\W", "", name).lower()) for name, text in row.items() if text]
    more = rng.sample(sorted(t for t in ACTIONS if t in DicomDictionary and t >> 16 > 2), extra)
    for tag in {*filter(None, present), *more} - {0x00080016, 0x00080018}:
        kind = dictionary_VR(tag).split(" or ")[0]
        if kind == "SQ" or tag >> 16 == 2 or tag in (0x00080005, 0x7FE00010):
            continue
        if action(tag) or kind in ("PN", "DA", "TM", "DT"):
            out.add_new(tag, kind, value_of(kind, rng.randrange(10**6)))
            planted.add(tag)
    out.private_block(0x0029, "VENDOR", create=True).add_new(0x10, "LO", SECRET)
    planted |= {0x00290010, 0x00291010}
    out.file_meta = FileMetaDataset()
    out.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out.file_meta.MediaStorageSOPClassUID, out.file_meta.MediaStorageSOPInstanceUID = (
        out.SOPClassUID,
        out.SOPInstanceUID,
    )
    raw = io.BytesIO()
    out.save_as(raw, enforce_file_format=True)
    return raw.getvalue(), planted


def main() -> None:
    """Print one line a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--extra", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| table | headers | planted | found | left after stripping | refused | kinds of attribute | ms a file |")
    print("|---|---|---|---|---|---|---|---|")
    for name in TABLES:
        measure(name, headers(given.wheel, name)[:: given.every], random.Random(given.seed), given.extra)
    print(
        f"pydicom {pydicom.__version__}; every {given.every}th header, {given.extra} more identifiers each, seed {given.seed}"
    )


def measure(name: str, rows: list[dict[str, str]], rng: random.Random, extra: int) -> None:
    """Plant, look, strip, and look again."""
    count, seen, started = Counter[str](), set[int](), time.perf_counter()
    with Dicom() as dicom:
        for row in rows:
            data, planted = built(row, rng, extra)
            fields = " ".join(one.field for one in dicom.look(data).identifiers).upper()
            found = {tag for tag in planted if f"({tag >> 16:04X},{tag & 0xFFFF:04X})" in fields}
            count.update(planted=len(planted), found=len(found))
            seen |= planted
            try:
                stripped = dicom.strip(data).data
            except CountermarkError:
                count["refused"] += 1
                continue
            count["left"] += sum(
                word in stripped
                for word in (SECRET.encode(), b"20240506", b"1.2.3.4711", b"4711.0815", b"47110815", b"070809")
            )
    each = 1000 * (time.perf_counter() - started) / len(rows)
    print(
        f"| {name} | {len(rows):,} | {count['planted']:,} | {count['found']:,} | {count['left']} | {count['refused']} | {len(seen)} | {each:.0f} |"
    )


if __name__ == "__main__":
    main()
