"""Shapes of arguments that a call must have before it counts as harmless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from countermark.formats.pickle import values as v
from countermark.formats.pickle.values import Held, Made, Name, Value, number

Shape = Callable[[Value], bool]


def _any(args: Value) -> bool:
    return True


def _none(args: Value) -> bool:
    return isinstance(args, tuple) and not args


def _pairs(args: Value) -> bool:
    """Of an ordered dictionary: nothing, or one list of pairs."""
    return args == () or (isinstance(args, tuple) and len(args) == 1 and v.is_kind(args[0], v.LIST, v.DICT, v.TUPLE))


def _factory(args: Value) -> bool:
    """Of a defaultdict: nothing, None, or a named class; what is not named could be anything."""
    return args == () or (isinstance(args, tuple) and (v.is_kind(args[0], v.NONE) or isinstance(args[0], Name)))


def _content(args: Value) -> bool:
    """Of a container: nothing, or what is to be in it; a number or a range would be a size that the file does not have."""
    if not isinstance(args, tuple) or not args:
        return isinstance(args, tuple)
    made = isinstance(args[0], Made) and (args[0].of is None or args[0].of.full != "builtins.range")
    return made or v.is_kind(args[0], v.LIST, v.TUPLE, v.DICT, v.SET, v.FROZENSET, v.TEXT, v.BYTES, v.BYTEARRAY)


def _latin1(args: Value) -> bool:
    """`_codecs.encode(text, "latin1")`: other codecs import modules of their name."""
    return (
        isinstance(args, tuple) and len(args) == 2 and v.is_kind(args[0], v.TEXT) and args[1] in ("latin1", "latin-1")
    )


def _array(args: Value) -> bool:
    """`_reconstruct(ndarray, (0,), b"b")`: the state follows."""
    return (
        isinstance(args, tuple) and len(args) == 3 and isinstance(args[0], Name)
        and args[0].full in ("numpy.ndarray", "numpy.ma.core.MaskedArray", "numpy.ma.MaskedArray") and v.is_kind(args[1], v.TUPLE)
        and (v.is_kind(args[2], v.BYTES, v.TEXT) or (isinstance(args[2], Made)))
    )  # fmt: skip


def _tensor(args: Value) -> bool:
    """`(storage, offset, size, stride, ...)`: every element must lie inside the storage (CVE-2026-24747)."""
    if not isinstance(args, tuple) or len(args) < 4 or not isinstance(args[0], Made):
        return False
    offset, size, stride = number(args[1]), numbers(args[2]), numbers(args[3])
    count = args[0].facts
    if offset is None or size is None or stride is None or len(size) != len(stride) or type(count) is not int:
        return False
    if 0 in size:
        return True
    return offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) < count


def numbers(value: Value) -> list[int] | None:
    """The natural numbers of a tuple or of a ``torch.Size``; None where one is something else."""
    if (
        isinstance(value, Made)
        and value.of is not None
        and value.of.full == "torch.Size"
        and isinstance(value.args, tuple)
    ):
        value = value.args[0] if value.args else ()
    if not isinstance(value, tuple):
        return None
    out = [number(item) for item in value]
    return None if None in out else [n for n in out if n is not None]


def _parameter(args: Value) -> bool:
    return isinstance(args, tuple) and len(args) >= 3 and isinstance(args[0], Made)


def _retyped(args: Value) -> bool:
    """`_rebuild_from_type_v2(function, type, args, state)` calls the function: only a tensor's may be named."""
    return (
        isinstance(args, tuple) and len(args) == 4 and isinstance(args[0], Name) and isinstance(args[1], Name)
        and args[0].full.startswith("torch._utils._rebuild_tensor") and args[1].full in ("torch.Tensor", "torch.nn.parameter.Parameter")
        and _tensor(args[2])
    )  # fmt: skip


def _reconstructor(args: Value) -> bool:
    """`copyreg._reconstructor(class, object, None)` makes an empty object, as NEWOBJ does; of a class of no list, a doubt as there."""
    return (
        isinstance(args, tuple) and len(args) == 3 and isinstance(args[0], Name) and isinstance(args[1], Name)
        and (args[0].entry is None or "newobj" in args[0].entry.roles) and _base(args[0], args[1].full, args[2])
    )  # fmt: skip


def _base(made: Name, base: str, state: Value) -> bool:
    """Of a class that only adds attributes, nothing; of a tuple or a dictionary, what is in it, where that may be filled."""
    if base == "builtins.dict":
        return v.is_kind(state, v.DICT) and (made.entry is None or "setitem" in made.entry.roles)
    wanted = {"builtins.object": v.NONE, "builtins.tuple": v.TUPLE}.get(base, v.UNSET)
    return v.is_kind(state, wanted)


def _named(args: Value) -> bool:
    """First a name that is judged on its own, then anything: what computes a name from values is none of these."""
    return isinstance(args, tuple) and bool(args) and isinstance(args[0], Name)


def held_bytes(args: Value) -> Held | str | None:
    """Bytes, or text that is encoded to bytes, as protocols before 3 write them; other arguments are none."""
    value = args[0] if isinstance(args, tuple) and len(args) == 1 else None
    if isinstance(value, Made) and value.of is not None and value.of.full == "_codecs.encode":
        value = value.args[0] if isinstance(value.args, tuple) and value.args else None
        whole = isinstance(value, str) and len(value) <= v.KEPT_TEXT
        return value if whole or (isinstance(value, Held) and value.kind == v.TEXT) else None
    return value if isinstance(value, Held) and value.kind == v.BYTES else None


def _held(args: Value) -> bool:
    """Bytes whose place in the stream is known to a judge that follows them; others see bytes of nowhere."""
    return held_bytes(args) is not None


SHAPES: dict[str, Shape] = {
    "any": _any, "none": _none, "pairs": _pairs, "factory": _factory, "content": _content, "latin1": _latin1, "array": _array,
    "tensor": _tensor, "parameter": _parameter, "retyped": _retyped, "reconstructor": _reconstructor, "named": _named,
    "held": _held, "-": lambda args: False,
}  # fmt: skip


def named_in(args: Value, depth: int = 0) -> list[Name]:
    """Names among the arguments, tuples within tuples included."""
    if isinstance(args, Name):
        return [args]
    if not isinstance(args, tuple) or depth > 4:
        return []
    return [name for item in args for name in named_in(item, depth + 1)]


def fits(shape: str, args: Any) -> bool:
    """Whether arguments have a shape."""
    return SHAPES[shape](args)
