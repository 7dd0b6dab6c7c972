"""Runs in the confined child only: identifiers of a DICOM file by pydicom, and the file without them.

Source: DICOM PS3.15 2026c, Annex E (basic application level confidentiality profile), and PS3.10 for the preamble and file meta group.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import warnings
from collections.abc import Iterator
from typing import Any

from countermark.errors import FormatRefused, MissingExtra
from countermark.formats._dicom_actions import action
from countermark.sandbox.task import Answer, Job, task
from countermark.sandbox.wire import RawArray

MOST_ELEMENTS, MOST_DEPTH = 200_000, 32
_DUMMY = {
    "DA": "19000101", "TM": "000000", "DT": "19000101000000", "AS": "000Y", "IS": "0", "DS": "0", "CS": "REMOVED", "UR": "urn:removed",
    **dict.fromkeys(("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), "REMOVED"),
}  # fmt: skip
_NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
_META = (0x00020016, 0x00020017, 0x00020018, 0x00020026, 0x00020027, 0x00020028, 0x00020100, 0x00020102)
_SPECIAL = {0x00420011: "document", 0x0040A730: "report-text", 0x0040A160: "report-text", 0x60003000: "overlay"}
_TIMES = ("DA", "TM", "DT")
_TEXTS = ("LO", "LT", "SH", "ST", "UC", "UT")
_STANDARD_UID = "1.2.840.10008."
Told = tuple[str, str]


@task
def look(job: Job) -> Answer:
    """Identifiers of one file: ``identifiers`` [kind, field], ``unread`` lines."""
    dataset = _read(bytes(job.blobs[0]))
    return Answer({"identifiers": _listed(dataset, frozenset()), "unread": _unread(dataset)})


@task
def strip(job: Job) -> Answer:
    """The file after the basic profile. Request: ``salt``, hex. Answer as `look` for what was there, and the bytes.

    Raises:
        FormatRefused: it says that text is burned into its pixels, or something identifying would be left.
    """
    dataset = _read(bytes(job.blobs[0]))
    before, unread = _listed(dataset, frozenset()), _unread(dataset)
    if _burned(dataset) == "YES":
        raise FormatRefused(
            "it says that text is burned into its pixels", why="the basic profile does not touch pixels",
            mend="clean the pixels first, or leave the file out",
        )  # fmt: skip
    ours: set[str] = set()
    raw = _written(dataset, bytes.fromhex(str(job.request["salt"])), ours)
    left = _listed(_read(bytes(raw)), frozenset(ours))
    if left:
        raise FormatRefused(f"{left[0][1]} would still be there", mend="leave the file out")
    return Answer({"identifiers": before, "unread": unread}, (RawArray("|u1", (len(raw),), raw),))


def _written(dataset: Any, salt: bytes, ours: set[str]) -> bytearray:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _profile(dataset, salt, ours)
            _meta(dataset)
            dataset.save_as(out, enforce_file_format=True)
        except Exception as error:  # pydicom raises what a half-readable file runs it into
            raise FormatRefused(
                "a DICOM file that cannot be written again", why=f"{type(error).__name__}: {error}"[:200]
            ) from error
    return bytearray(out.getvalue())


def _read(data: bytes) -> Any:
    try:
        import pydicom
    except ImportError:
        raise MissingExtra("DICOM files are read by pydicom", mend="pip install 'countermark[dicom]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(io.BytesIO(data))
            _whole(dataset, len(data))
            for _ in _elements(dataset):  # parses every value: what cannot be parsed is refused, not passed over
                pass
        except FormatRefused:
            raise
        except Exception as error:  # pydicom raises what its parsing runs into
            raise FormatRefused(
                "a DICOM file that does not parse", why=f"{type(error).__name__}: {error}"[:200]
            ) from error
    return dataset


def _whole(dataset: Any, size: int) -> None:
    """Refuse a file that ends inside its last value, or goes on after it: pydicom passes over both.

    A last value of undefined length is delimited, and its reader does not pass over a missing delimiter.
    """
    last = list(dataset.values())[-1] if len(dataset) else None
    length, start = getattr(last, "length", 0xFFFFFFFF), getattr(last, "value_tell", 0)
    deflated = str(getattr(dataset.file_meta, "TransferSyntaxUID", "")) == "1.2.840.10008.1.2.1.99"
    if not deflated and length not in (None, 0xFFFFFFFF) and start + length != size:
        raise FormatRefused(f"its last value ends at byte {start + length} of {size}", mend="send the whole file")


def _elements(dataset: Any) -> Iterator[Any]:
    """Every element, those of sequences after their sequence."""
    waiting, seen = [(dataset, 0)], 0
    while waiting:
        items, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise FormatRefused(f"sequences nested deeper than {MOST_DEPTH}")
        for element in items:
            seen += 1
            if seen > MOST_ELEMENTS:
                raise FormatRefused(f"more than {MOST_ELEMENTS} elements")
            yield element
            if element.VR == "SQ":
                waiting += ((item, depth + 1) for item in element.value)


def _listed(dataset: Any, ours: frozenset[str]) -> list[Told]:
    out: dict[Told, None] = {}
    for element in _elements(dataset):
        if (kind := _kind(element, ours)) is not None:
            out[kind, f"{element.tag} {element.keyword or 'private'}"] = None
    meta = getattr(dataset, "file_meta", ())
    out |= {("device", f"{e.tag} {e.keyword}"): None for e in meta if int(e.tag) in _META and not e.is_empty}
    if (dataset.preamble or b"").strip(b"\0"):
        out["unread", "preamble"] = None
    if _burned(dataset) == "YES":
        out["burned-in", "(0028,0301) BurnedInAnnotation"] = None
    return list(out)


def _kind(element: Any, ours: frozenset[str]) -> str | None:
    """What an element tells, or None: nothing, a dummy, one of our own UIDs, or an attribute that the profile keeps."""
    tag, kind = int(element.tag), element.VR
    code = action(tag) or ("Z" if kind in (*_TIMES, "PN") else "")
    if not code or element.is_empty or (kind == "SQ" and not len(element.value)):
        return None
    if (tag >> 16) % 2:
        return "private"
    if kind == "UI":
        uids = {str(uid) for uid in ([element.value] if isinstance(element.value, str) else element.value)}
        return "identifier" if {u for u in uids - ours if not u.startswith(_STANDARD_UID)} else None
    if element.value == _dummy(kind):
        return None
    if kind == "SQ" and code == "U":
        return None  # what lies inside is looked at by itself
    return _SPECIAL.get(tag & 0xFF00FFFF if 0x6000 <= tag >> 16 <= 0x60FF else tag) or _named(tag, kind)


def _named(tag: int, kind: str) -> str:
    if kind in _TIMES:
        return "time"
    if kind == "PN" or tag >> 16 == 0x0010:
        return "person"
    return "text" if kind in _TEXTS else "identifier"


def _burned(dataset: Any) -> str:
    return str(dataset.get("BurnedInAnnotation", "") or "").strip().upper()


def _unread(dataset: Any) -> list[str]:
    if "PixelData" not in dataset or _burned(dataset) == "YES":
        return []
    said = _burned(dataset)
    return [
        f"burned-in text: {'unknown, the file says ' + said if said else 'unknown, the file does not say'}; pixels were not looked at"
    ]


def _profile(dataset: Any, salt: bytes, ours: set[str]) -> None:
    for tag in list(dataset.keys()):
        element = dataset[tag]
        code = action(int(tag)) or ("Z" if element.VR in (*_TIMES, "PN") else "")
        if element.VR == "SQ" and code in ("", "U"):
            for item in element.value:
                _profile(item, salt, ours)
        elif code == "X":
            del dataset[tag]
        elif code == "Z":
            element.value = [] if element.VR == "SQ" else None
        elif code == "D":
            element.value = _dummy(element.VR)
        elif code == "U":
            element.value = _new_uids(element.value, salt, ours)


def _dummy(kind: str) -> Any:
    if kind in _NUMBERS:
        return 0
    return [] if kind == "SQ" else _DUMMY.get(kind, b"\0\0")


def _new_uids(value: Any, salt: bytes, ours: set[str]) -> Any:
    """UIDs under 2.25, the same for the same UID and salt, so that references between files of one copy still hold."""
    if not value:
        return value
    many = [value] if isinstance(value, str) else list(value)
    new = [
        str(uid) if str(uid).startswith(_STANDARD_UID) or not str(uid)
        else f"2.25.{int.from_bytes(hmac.new(salt, str(uid).encode(), hashlib.sha256).digest()[:16], 'big')}"
        for uid in many
    ]  # fmt: skip
    ours |= set(new)
    return new[0] if isinstance(value, str) else new


def _meta(dataset: Any) -> None:
    """File meta group and preamble, and the attributes that say what was done."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    for tag in _META:
        if tag in dataset.file_meta:
            del dataset.file_meta[tag]
    if "SOPInstanceUID" in dataset:
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.preamble = bytes(128)
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
    code.CodeMeaning = "Basic Application Confidentiality Profile"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "DICOM PS3.15 2026c basic profile"
    dataset.DeidentificationMethodCodeSequence = Sequence([code])
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
