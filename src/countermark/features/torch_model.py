"""Features of a torch module: what its last layers are given, taken by hooks while it runs.

The input of the last matrix product or convolution is the penultimate layer; of the two before it the mean over the picture is taken
as well. The module is run as it is, in evaluation mode, without gradients, on one thread; afterwards it is as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.errors import Unusable

LAYERS = 3
Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def is_module(model: object) -> bool:
    """Whether it is a `torch.nn.Module`; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def of_module(module: Any) -> Callable[[Pixels], Floats]:
    """A function of pictures, uint8 (n, h, w, 3) -> float32 (n, d).

    Args:
        module: called with float32 (n, 3, h, w), 0 to 1; (n, 1, h, w) where its first convolution takes one channel.

    Raises:
        Unusable: it has no linear layer and no convolution.
    """
    torch = sys.modules["torch"]
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    layers = [m for m in module.modules() if isinstance(m, kinds)]
    if not layers:
        raise Unusable(
            "the module has no linear layer and no convolution", mend="give a function that returns features"
        )
    first = next((m for m in layers if isinstance(m, torch.nn.Conv2d)), None)
    grey = first is not None and first.in_channels == 1

    def encode(images: Pixels) -> Floats:
        planes = images.mean(axis=3, keepdims=True) if grey else images
        pixels = torch.from_numpy(np.ascontiguousarray(np.moveaxis(planes, 3, 1), np.float32) / 255)
        return _joined(_inputs(torch, module, layers, pixels))

    return encode


def _inputs(torch: Any, module: Any, layers: list[Any], pixels: Any) -> list[Floats]:
    """What the layers were given, in the order in which they ran."""
    seen: list[Floats] = []

    def keep(_: Any, given: tuple[Any, ...]) -> None:
        x = given[0].detach().float()
        seen.append(np.asarray(x.mean(dim=(2, 3)) if x.ndim == 4 else x.reshape(len(x), -1)))

    modes = [(m, m.training) for m in module.modules()]
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        module.eval()
        with torch.no_grad():
            module(pixels)
    finally:
        torch.set_num_threads(threads)
        for hook in hooks:
            hook.remove()
        for one, training in modes:
            one.training = training
    return seen


def _joined(seen: list[Floats]) -> Floats:
    """The last layers side by side, as many as there are before the pixels themselves."""
    if len(seen) < 2:
        raise Unusable("the module has no layer before its last", mend="give a function that returns features")
    return np.concatenate(seen[1:][-LAYERS:], axis=1)
