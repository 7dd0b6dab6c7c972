"""DICOM files: every planted identifier is found, and gone after stripping, pixels untouched."""

from __future__ import annotations

import io

import pytest

from countermark.errors import FormatRefused
from countermark.formats._dicom_actions import ACTIONS, action
from countermark.formats.dicom import Dicom, is_dicom

pydicom = pytest.importorskip("pydicom", reason="DICOM is an extra")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.sequence import Sequence  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian  # noqa: E402

SECRET = "MUSTERMANN"
PIXELS = bytes(range(256))


@pytest.fixture(scope="module")
def dicom():
    with Dicom() as opened:
        yield opened


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian, preamble: bytes = bytes(128)) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.preamble = preamble
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def plain() -> Dataset:
    out = Dataset()
    out.SOPClassUID, out.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4711"
    out.Modality, out.Rows, out.Columns = "OT", 16, 16
    out.SamplesPerPixel, out.PhotometricInterpretation = 1, "MONOCHROME2"
    out.BitsAllocated = out.BitsStored = 8
    out.HighBit, out.PixelRepresentation = 7, 0
    out.PixelData = PIXELS
    return out


def full() -> Dataset:
    out = plain()
    out.PatientName, out.PatientID, out.PatientBirthDate = f"{SECRET}^ERIKA", SECRET, "19610203"
    out.StudyDate, out.StudyTime, out.StudyInstanceUID = "20240506", "070809", "1.2.3.4"
    out.InstitutionName, out.DeviceSerialNumber, out.AccessionNumber = SECRET, SECRET, SECRET
    inner = Dataset()
    inner.ReferencedSOPInstanceUID, inner.ReferencedSOPClassUID = "1.2.3.4711", "1.2.840.10008.5.1.4.1.1.7"
    out.ReferencedImageSequence = Sequence([inner])
    out.private_block(0x0029, "VENDOR", create=True).add_new(0x10, "LO", SECRET)
    text = Dataset()
    text.ValueType, text.TextValue = "TEXT", SECRET
    out.ContentSequence = Sequence([text])
    out.add_new(0x60003000, "OW", SECRET.encode())
    out.EncapsulatedDocument = SECRET.encode()
    return out


def test_the_table_is_whole() -> None:
    assert len(ACTIONS) == 652
    assert action(0x00100010) == "Z" and action(0x00080018) == "U" and action(0x00290010) == "X"
    assert action(0x60023000) == "X" and action(0x7FE00010) == "" and action(0x00280010) == ""


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_everything_is_found_and_gone(dicom, syntax) -> None:
    data = written(full(), syntax, b"II*\0" + bytes(124))
    assert is_dicom(data)
    told = dicom.look(data)
    assert {"person", "time", "identifier", "text", "private", "document", "report-text", "overlay", "unread"} <= {
        one.kind for one in told.identifiers
    }
    assert any("burned-in text: unknown" in line for line in told.unread)
    stripped = dicom.strip(data)
    assert stripped.removed == told.identifiers
    assert SECRET.encode() not in stripped.data and b"20240506" not in stripped.data and b"1.2.3.4" not in stripped.data
    after = pydicom.dcmread(io.BytesIO(stripped.data))
    assert after.PixelData == PIXELS and after.Rows == 16
    assert after.PatientIdentityRemoved == "YES" and not after.PatientName
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID, "references still hold"
    assert after.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.7"


def test_every_row_of_the_table_is_found_and_gone(dicom) -> None:
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    missed = []
    for tag in ACTIONS:
        if not dictionary_has_tag(tag) or tag in (0x00080018, 0x00020003) or tag >> 16 in (0, 2):
            continue
        kind, value, item = dictionary_VR(tag).split(" or ")[0], None, Dataset()
        item.PatientName = SECRET
        value = {
            "SQ": Sequence([item]), "UI": "1.2.3.99", "DA": "20240506", "TM": "0708", "DT": "20240506", "AS": "045Y", "DS": "17.5",
            "IS": "17", "US": 7, "SS": 7, "UL": 7, "SL": 7, "FL": 7.5, "FD": 7.5, "OB": b"secret", "OW": b"secret", "UN": b"secret",
        }.get(kind, SECRET)  # fmt: skip
        one = plain()
        one.add_new(tag, kind, value)
        data = written(one)
        name = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        if name.lower() not in " ".join(i.field for i in dicom.look(data).identifiers).lower() and kind != "SQ":
            missed.append(name)
        if SECRET.encode() in dicom.strip(data).data:
            missed.append(f"{name} left")
    assert missed == []


def test_burned_in_text_is_refused_and_a_denial_is_not_believed(dicom) -> None:
    marked = plain()
    marked.BurnedInAnnotation = "YES"
    assert tuple(i.kind for i in dicom.look(written(marked)).identifiers if i.kind == "burned-in") == ("burned-in",)
    with pytest.raises(FormatRefused, match="burned into its pixels"):
        dicom.strip(written(marked))
    denied = plain()
    denied.BurnedInAnnotation = "NO"
    assert any("the file says NO" in line for line in dicom.strip(written(denied)).unread)


def test_damaged_files_are_refused(dicom) -> None:
    data = written(full())
    for cut in (133, 200, len(data) // 2 + 3, len(data) - 1):
        with pytest.raises(FormatRefused):
            dicom.strip(data[:cut])
    nested = plain()
    for _ in range(40):
        outer = plain()
        outer.ReferencedImageSequence = Sequence([nested])
        nested = outer
    with pytest.raises(FormatRefused, match="nested"):
        dicom.look(written(nested))
