"""Pass 1 as a function of Arrow batches: what goes in, what comes out, and what cannot be looked at."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from countermark.errors import FormatRefused
from countermark.features import row_scores
from countermark.features.arrow import batch_of, from_bytes, to_bytes
from countermark.features.pass_one import PassOne, features_of
from countermark.features.patches import PatchFeatures
from countermark.features.perceptual_hash import perceptual_hash


def pictures(n: int = 6) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, 64, 64, 3)).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def batch(content: list[bytes], kind: str = "picture") -> pa.RecordBatch:
    n = len(content)
    return batch_of([f"r{i}" for i in range(n)], ["acme"] * n, ["nut"] * n, content, kind)


@pytest.fixture(scope="module")
def pass_one() -> PassOne:
    return PassOne(PatchFeatures.fit(pictures(), seed=0).words)


def test_pictures_and_pixels_give_the_same_rows(pass_one: PassOne) -> None:
    images = pictures()
    done = pass_one(batch([png(i) for i in images]))
    assert done.equals(pass_one(batch([i.tobytes() for i in images], "pixels")))
    assert done.schema.names == ["id", "supplier", "label", "features", "hash", "scores", "error"]
    np.testing.assert_array_equal(features_of(done), PatchFeatures(pass_one.words).encode(images))
    assert done.column("hash").to_pylist() == perceptual_hash(images).tolist()
    assert done.column("scores")[2].as_py()["brightness"] == images[2].mean()
    done.validate(full=True)


def test_what_does_not_decode_is_told_and_costs_its_neighbours_nothing(pass_one: PassOne) -> None:
    images = pictures(3)
    done = pass_one(batch([png(images[0]), b"no picture", png(images[2])]))
    assert done.column("error")[1].as_py() and done.column("error").null_count == 2
    for name in ("features", "hash", "scores"):
        assert done.column(name).is_valid().to_pylist() == [True, False, True]
    kept = done.take(pa.array([0, 2]))
    np.testing.assert_array_equal(features_of(kept), PatchFeatures(pass_one.words).encode(images[[0, 2]]))
    with pytest.raises(FormatRefused, match="r1 has no features"):
        features_of(done)


def test_batches_may_hold_no_readable_picture_or_none_at_all(pass_one: PassOne) -> None:
    schema = pass_one(batch([png(pictures(1)[0])])).schema
    for content in ([b"no picture"], []):
        done = pass_one(batch(content))
        assert done.schema == schema and done.num_rows == len(content)


@pytest.mark.parametrize("broken", [
    pa.RecordBatch.from_pydict({"id": ["a"], "supplier": ["s"], "label": ["l"]}),
    pa.RecordBatch.from_pydict({"id": [1], "supplier": ["s"], "label": ["l"], "picture": [b"x"]}),
    pa.RecordBatch.from_pydict({"id": ["a"], "supplier": pa.array([None], pa.string()), "label": ["l"], "picture": [b"x"]}),
    pa.RecordBatch.from_pydict({"id": ["a"], "supplier": ["s"], "label": ["l"], "pixels": [b"x" * 5]}),
    pa.RecordBatch.from_arrays([pa.array(["a"])] * 4, ["id", "id", "supplier", "label"]),
])  # fmt: skip
def test_columns_that_are_not_there_are_refused(pass_one: PassOne, broken: pa.RecordBatch) -> None:
    with pytest.raises(FormatRefused):
        pass_one(broken)


def test_the_digest_names_all_that_the_function_depends_on(pass_one: PassOne) -> None:
    others = [PassOne(pass_one.words + 1), PassOne(pass_one.words, ()), PassOne(pass_one.words[:-1])]
    assert len({pass_one.digest, PassOne(pass_one.words).digest, *(o.digest for o in others)}) == 4


def test_scores_say_what_drifts() -> None:
    image = pictures(1) // 2
    assert row_scores.brightness(image + 20)[0] == pytest.approx(row_scores.brightness(image)[0] + 20)
    assert row_scores.contrast(image)[0] == pytest.approx((image[0].sum(axis=2) / 3).var())
    blurred = ((image.astype(int) + np.roll(image, 1, 2)) // 2).astype(np.uint8)
    assert row_scores.sharpness(blurred)[0] < row_scores.sharpness(image)[0]


def test_bytes_of_a_batch_are_read_whole_or_refused() -> None:
    data = to_bytes(batch([b"a", b"b"]))
    assert from_bytes(data).equals(batch([b"a", b"b"]))
    for bad in (b"", data[: len(data) // 2], b"x" * 40):
        with pytest.raises(FormatRefused):
            from_bytes(bad)
