"""`training/unsafe-resize`: a picture scaled down by its sparse pixels is another picture."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import ABSENT, Call, Program, matches
from countermark.checks.training._rule import Hit, Rule

_CV2 = {
    "cv2.resize": 5, "albumentations.Resize": 2, "albumentations.SmallestMaxSize": 1, "albumentations.LongestMaxSize": 1,
    "albumentations.RandomResizedCrop": 3, "albumentations.augmentations.*.Resize": 2,
}  # fmt: skip
_BLOBS = ("cv2.dnn.blobFromImage", "cv2.dnn.blobFromImages")
_PILLOW = ("*.resize", "*.thumbnail")
_TORCHVISION = ("torchvision.transforms.*esize*", "torchvision.transforms.*resize*")
_OFF_BY_DEFAULT = ("kornia.geometry.*resize", "kornia.geometry.transform.rescale", "tensorflow.image.resize", "tensorflow.image.resize_with_pad",
                   "keras.layers.Resizing", "tensorflow.keras.layers.Resizing")  # fmt: skip
_INTERPOLATE = ("torch.nn.functional.interpolate", "torch.nn.Upsample")
_LOADERS = ("*.load_img",)
_SKIMAGE = ("skimage.transform.resize", "skimage.transform.rescale")
_AREA = ("*.INTER_AREA",)
_SPARSE = ("*.NEAREST", "*.NEAREST_EXACT", "*.INTER_NEAREST", "*.INTER_NEAREST_EXACT")


def _find(program: Program) -> Iterator[Hit]:
    """Each call once, as the first of the libraries that it may be of tells it."""
    seen: dict[int, Hit] = {}
    for hit in _every(program):
        seen.setdefault(id(hit.node), hit)
    yield from seen.values()


def _every(program: Program) -> Iterator[Hit]:
    for name, position in _CV2.items():
        for call in program.calls(name):
            if not call.open and not _is(call, "interpolation", position, _AREA):
                yield Hit(call.code, call.node, f"{call.shown} without INTER_AREA")
    for call in program.calls(*_BLOBS):
        yield Hit(call.code, call.node, f"{call.shown} scales without averaging")
    for call in program.calls(*_PILLOW, *_TORCHVISION):
        if any(_sparse(call, part) for part in (*call.node.args, *(k.value for k in call.node.keywords))):
            yield Hit(call.code, call.node, f"{call.shown} takes the nearest pixel")
        elif call.value("antialias") in (False, None):
            yield Hit(call.code, call.node, f"{call.shown} without antialias")
    yield from _by_library(program)


def _by_library(program: Program) -> Iterator[Hit]:
    for call in program.calls(*_OFF_BY_DEFAULT):
        if call.value("antialias") in (False, ABSENT) and call.value("method", 2) != "area":
            yield Hit(call.code, call.node, f"{call.shown} without antialias=True")
    for call in program.calls(*_INTERPOLATE):
        if _shrinks(call) and call.value("antialias") is not True and call.value("mode", 3) != "area":
            yield Hit(call.code, call.node, f"{call.shown} without antialias=True or mode='area'")
    for call in program.calls(*_LOADERS):
        if call.value("target_size", 3) is not ABSENT and call.value("interpolation", 4) in (ABSENT, "nearest"):
            yield Hit(call.code, call.node, f"{call.shown} takes the nearest pixel")
    for call in program.calls(*_SKIMAGE):
        if call.value("anti_aliasing") is False or call.value("order", 2) == 0:
            yield Hit(call.code, call.node, f"{call.shown} without anti_aliasing")


def _is(call: Call, keyword: str, position: int, patterns: tuple[str, ...]) -> bool:
    given = call.argument(keyword, position)
    return given is not None and any(matches(name, patterns) for name in call.code.names.of(given))


def _sparse(call: Call, part: ast.expr) -> bool:
    return isinstance(part, ast.Name | ast.Attribute) and any(matches(n, _SPARSE) for n in call.code.names.of(part))


def _shrinks(call: Call) -> bool:
    """Whether it may scale down: a factor below 1, or a size that is written out; sizes of other layers are for scaling up."""
    factor = call.value("scale_factor", 2)
    if isinstance(factor, int | float):
        return factor < 1
    size = call.argument("size", 1)
    parts = size.elts if isinstance(size, ast.Tuple | ast.List) else [size]
    return size is not None and all(isinstance(call.code.names.value(p), int) for p in parts)


RULE = Rule(
    "training/unsafe-resize", "medium", _find,
    why="a scaler that skips pixels lets a picture turn into another one on its way to the model, and nobody who looks at the file sees which",
    fix="pin an area or antialias scaler (cv2.INTER_AREA, Pillow's BOX or LANCZOS, antialias=True) and record it in the recipe's [preprocessing]",
    cannot_tell="whether a picture is scaled down or up, where its size is computed; what a library's default is in its version",
)  # fmt: skip
