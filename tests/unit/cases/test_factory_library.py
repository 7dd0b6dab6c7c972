"""Part models from files: what is read, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermark.cases.factory import _mesh, _vrml, library, parts
from countermark.cases.factory._mesh import Mesh
from countermark.cases.factory._obj import read_mtl, read_obj
from countermark.cases.factory._stl import read_stl
from countermark.cases.factory._vrml import read_vrml
from countermark.errors import FormatRefused, Unusable

SQUARE = "point [0 0 0, 10 0 0, 10 5 0, 0 5 0]"
VRML = f"""#VRML V2.0 utf8
# a comment with {{ braces
Shape {{ appearance Appearance {{ material DEF PIN Material {{ diffuseColor 0.8 0.2 0.1 shininess 0.7 }} }} }}
Transform {{ translation 1 0 0 rotation 0 0 1 1.5707963 scale 2 2 2 children [
  Shape {{ appearance Appearance {{ material USE PIN }}
    geometry IndexedFaceSet {{ solid TRUE creaseAngle 0.5 coordIndex [0,1,2,3,-1] coord Coordinate {{ {SQUARE} }} }} }} ] }}
"""
OBJ = "mtllib colours.mtl\nv 0 0 0\nv 10 0 0\nv 10 5 0\nv 0 5 0\nusemtl paint\nf 1/1/1 2/2/1 3 4\nf -4 -3 -2\n"


def ascii_stl(count: int = 2) -> bytes:
    facet = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 10 0 0\nvertex 10 5e0 0\nendloop\nendfacet\n"
    return f"solid thing\n{facet * count}endsolid thing\n".encode()


def binary_stl(count: int = 2, said: int | None = None) -> bytes:
    facet = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 10, 0, 0, 10, 5, 0, 0)
    return b"solid but binary".ljust(80) + struct.pack("<I", count if said is None else said) + facet * count


def vrml(body: str) -> bytes:
    return f"#VRML V2.0 utf8\n{body}".encode()


def face_set(index: str = "0 1 2 -1", points: str = SQUARE) -> str:
    return f"Shape {{ geometry IndexedFaceSet {{ coordIndex [{index}] coord Coordinate {{ {points} }} }} }}"


def test_vrml_places_scales_and_colours_its_faces() -> None:
    mesh = read_vrml(VRML.encode())
    assert len(mesh.triangles) == 2
    np.testing.assert_allclose(mesh.colours, [[0.8, 0.2, 0.1]] * 2, atol=1e-6)
    low, high = mesh.triangles.min(axis=(0, 1)) / 2.54, mesh.triangles.max(axis=(0, 1)) / 2.54
    np.testing.assert_allclose([low, high], [[-9, 0, 0], [1, 20, 0]], atol=1e-4)
    assert _mesh.area(mesh) == pytest.approx(200 * 2.54**2)


def test_stl_and_obj_give_the_same_triangles() -> None:
    assert np.array_equal(read_stl(ascii_stl()).triangles, read_stl(binary_stl()).triangles)
    mesh = read_obj(OBJ.encode(), read_mtl(b"newmtl paint\nKd 0.1 0.2 1.5\n"))
    assert len(mesh.triangles) == 3 and _mesh.area(mesh) == 75
    np.testing.assert_allclose(mesh.colours[0], [0.1, 0.2, 1.0], atol=1e-6)


def test_polygons_are_cut_into_fans_and_stumps_left_out() -> None:
    faces = np.array([0, 1, 2, 3, 4, -1, 5, 6, -1, -1, 7, 8, 9], dtype=np.int64)
    assert _mesh.fan(faces).tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4], [7, 8, 9]]
    assert _mesh.fan(np.array([], dtype=np.int64)).shape == (0, 3)


def test_points_lie_on_the_triangles_in_proportion_to_their_area() -> None:
    triangles = np.array([[[0, 0, 0], [3, 0, 0], [0, 2, 0]], [[0, 0, 9], [1, 0, 9], [0, 2, 9]]], np.float64)
    cloud = _mesh.sample(Mesh(triangles, np.zeros((2, 3), np.float32)), 4000)
    lower = cloud.points[:, 2] < 1
    assert lower.mean() == pytest.approx(0.75, abs=0.01)
    assert (cloud.points[lower, 0] / 3 + cloud.points[lower, 1] / 2 <= 1 + 1e-5).all()
    assert np.abs(cloud.normals).sum(axis=0).tolist() == [0, 0, len(cloud.points)]
    assert cloud.normals[:, 2].sum() == 0, "each point faces both ways"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "no surface"),
        ("Shape {", "ends in the middle"),
        ("Shape { geometry IndexedFaceSet { coordIndex [0 1 2", "never ends"),
        (face_set("0 1 9 -1"), "none of 4"),
        (face_set("0 1 -7 -1"), "none of 4"),
        (face_set("0 1 1.5 -1"), "none of 4"),
        (face_set(points="point [0 0 0, 1 1]"), "rows of 3"),
        (face_set(points="point [0 0 0 1 1 x]"), "not a number"),
        (face_set(points="point [0 0 0 nan 0 0 1 1 1]"), "not finite"),
        (face_set(points="point [0 0 0 1e300 0 0 1 1 1]"), "not finite"),
        (face_set(points="point [0 0 0 0 0 0 0 0 0]"), "no surface"),
        ("USE NOTHING", "nothing defines"),
        ("DEF A Group { children [ USE A ] }", "nothing defines"),
        ("PROTO Bolt [ ] { }", "would need code"),
        ("Inline { url \"http://example.org/x.wrl\" }", "would need code"),
        ("Script { url \"javascript:\" }", "would need code"),
        ("Transform { rotation [] children [] }", "finite ones"),
        ("Group { children [ " * 50 + "] }" * 50, "deeper"),
        ("\n".join(f"DEF N{n + 1} Group {{ children [ USE N{n} USE N{n} ] }}" for n in range(40)).replace(
            "USE N0 USE N0", face_set()), "once every USE"),
    ],
)  # fmt: skip
def test_malformed_vrml_is_refused(body: str, why: str) -> None:
    with pytest.raises(FormatRefused) as refused:
        read_vrml(vrml(body))
    assert why in refused.value.why


def test_a_big_shape_used_many_times_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vrml, "MAX_TRIANGLES", 100)
    with pytest.raises(FormatRefused) as refused:
        read_vrml(vrml(f"DEF S {face_set('0 1 2 -1 ' * 20)}\n" + "Group { children [ USE S ] }\n" * 20))
    assert "triangles" in refused.value.why


@pytest.mark.parametrize(
    "data",
    [
        b"", b"solid", b"solid x\nendsolid x\n", binary_stl(0), binary_stl(2)[:-1], binary_stl(2) + b"\0", binary_stl(2, said=3),
        binary_stl(1, said=2**32 - 1), ascii_stl()[:-20], b"solid x\nvertex 0 0 0\nvertex 1 1 1\nendsolid",
        binary_stl()[:108] + b"\0\0\x81\x7f" + binary_stl()[112:], ascii_stl().replace(b"5e0", b"5f0"), ascii_stl().replace(b"5e0", b"nan"), b"\x7fELF" * 30,
    ],
)  # fmt: skip
def test_malformed_stl_is_refused(data: bytes) -> None:
    with pytest.raises(FormatRefused):
        read_stl(data)


@pytest.mark.parametrize(
    "text",
    ["", "v 0 0\n", "v 0 0 x\n", "v 0 0 0\nf 1 2 3\n", "v 0 0 0\nf 1 1\n", "v 0 0 0\nf 0 0 0\n", "v 0 0 0\nf a b c\n",
     "v 0 0 0\nf 1 1 1\n", "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "v 0 0 0\nf -2 -2 -2\n", "v 0 0 0\nf" + " 1" * 2000],
)  # fmt: skip
def test_malformed_obj_is_refused(text: str) -> None:
    with pytest.raises(FormatRefused):
        read_obj(text.encode())


READERS = {
    "wrl": (read_vrml, VRML.encode()),
    "ascii": (read_stl, ascii_stl()),
    "binary": (read_stl, binary_stl()),
    "obj": (read_obj, OBJ.encode()),
}


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_bytes_a_reader_gives_a_mesh_or_a_refusal(kind: str, data: st.DataObject) -> None:
    reader, good = READERS[kind]
    at = data.draw(st.integers(0, len(good)))
    gone = data.draw(st.integers(0, 12))
    put = data.draw(
        st.one_of(
            st.binary(max_size=12), st.sampled_from([b"-1", b"{", b"}", b"[", b"]", b'"', b"USE PIN", b" 1e999 "])
        )
    )
    try:
        mesh = reader(good[:at] + put + good[at + gone :])
    except FormatRefused:
        return
    assert np.isfinite(mesh.triangles).all() and len(mesh.triangles) == len(mesh.colours) > 0


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for family in ("Pins.3dshapes", "plates"):
        (tmp_path / family).mkdir()
    (tmp_path / "Pins.3dshapes" / "Pin Größe 1.wrl").write_text(VRML)
    (tmp_path / "plates" / "plate.stl").write_bytes(binary_stl())
    (tmp_path / "plates" / "plate.obj").write_text(OBJ)
    (tmp_path / "plates" / "colours.mtl").write_text("newmtl paint\nKd 1 0 0\n")
    (tmp_path / "plates" / "README").write_text("not a model")
    return tmp_path


def test_a_folder_becomes_parts_with_labels_families_and_fields(models: Path) -> None:
    read = library.read(models)
    assert [part.label for part in read.parts] == ["pin-groe-1", "plate", "plate-2"]
    assert [part.family for part in read.parts] == ["pins", "plates", "plates"]
    assert [part.field_mm for part in read.parts] == [120.0, 12.0, 12.0]
    assert read.skipped == ()
    np.testing.assert_allclose(read.parts[1].surface.colours[0], [1, 0, 0])


def test_what_can_not_be_read_is_skipped_with_its_reason(models: Path) -> None:
    (models / "broken.wrl").write_text("#VRML V2.0 utf8\nShape {")
    (models / "old.wrl").write_text("#VRML V1.0 ascii\nSeparator { }")
    (models / "huge.stl").write_bytes(binary_stl().replace(struct.pack("<f", 10), struct.pack("<f", 5000)))
    (models / "link.stl").symlink_to(models / "plates" / "plate.stl")
    os.mkfifo(models / "pipe.obj")
    read = library.read(models)
    assert len(read.parts) == 3
    reasons = dict(read.skipped)
    assert set(reasons) == {"broken.wrl", "old.wrl", "huge.stl", "link.stl", "pipe.obj"}
    assert "middle of a node" in reasons["broken.wrl"] and "#VRML V2.0" in reasons["old.wrl"]
    assert "fits no field" in reasons["huge.stl"] and "regular file" in reasons["pipe.obj"]


def test_a_file_over_the_limit_is_not_read(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "MAX_BYTES", 100)
    with pytest.raises(FormatRefused):
        library.read_bounded(models / "plates" / "plate.stl", 100)


def test_material_files_elsewhere_are_not_opened(models: Path) -> None:
    outside = models / "secret.mtl"
    outside.write_text("newmtl paint\nKd 0 1 0\n")
    path = models / "plates" / "plate.obj"
    path.write_text(OBJ.replace("colours.mtl", "../secret.mtl"))
    np.testing.assert_allclose(library.read_mesh(path).colours[0], _mesh.PLAIN, atol=1e-6)


@pytest.mark.parametrize("where", ["missing", "empty"])
def test_a_folder_without_models_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unusable):
        library.read(tmp_path / where)


@pytest.mark.real
@pytest.mark.slow
def test_three_hundred_real_parts_can_be_told_apart() -> None:
    folder = Path(os.environ.get("COUNTERMARK_PARTS_LIBRARY", Path(__file__).parents[3] / ".parts-library"))
    if not folder.is_dir():
        pytest.skip(f"no part models at {folder}: benchmarks/fetch_parts_library.sh {folder}")
    read = library.read(folder)
    assert len(read.parts) >= 500 and len(read.skipped) <= 0.02 * len(read.parts)
    assert len(parts.choose(300, 0, read.parts)) == 300
