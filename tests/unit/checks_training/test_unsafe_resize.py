"""`training/unsafe-resize`: what skips pixels is told, what averages is not; and the scalers are asked themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from countermark.checks.training._program import Program, parse
from countermark.checks.training.rules import unsafe_resize

sys.path.insert(0, str(Path(__file__).parents[3] / "attacks" / "data"))

UNSAFE = [
    "import cv2\ncv2.resize(x, (64, 64))",
    "import cv2\ncv2.resize(x, (64, 64), None, 0, 0, cv2.INTER_LINEAR)",
    "import cv2 as c\nr = c.resize\nr(x, (64, 64), interpolation=c.INTER_CUBIC)",
    "from cv2 import resize, INTER_NEAREST\nresize(x, (64, 64), interpolation=INTER_NEAREST)",
    "import cv2\ncv2.dnn.blobFromImage(x, 1 / 255, (64, 64))",
    "from PIL import Image\nImage.open(p).resize((64, 64), Image.NEAREST)",
    "from PIL import Image\nImage.open(p).resize((64, 64), resample=Image.Resampling.NEAREST)",
    "from PIL import Image\nimage.thumbnail((64, 64), Image.Resampling.NEAREST)",
    "from torchvision import transforms\ntransforms.Resize(64, antialias=False)",
    "from torchvision.transforms import v2, InterpolationMode\nv2.Resize(64, interpolation=InterpolationMode.NEAREST)",
    "import torchvision.transforms.functional as f\nf.resize(x, [64, 64], antialias=None)",
    "from torchvision.transforms import RandomResizedCrop\nRandomResizedCrop(64, antialias=False)",
    "import torch.nn.functional as F\nF.interpolate(x, size=(64, 64), mode='bilinear')",
    "import torch.nn.functional as F\nF.interpolate(x, 64)",
    "import torch.nn.functional as F\nF.interpolate(x, scale_factor=0.5)",
    "import kornia\nkornia.geometry.transform.resize(x, (64, 64))",
    "import tensorflow as tf\ntf.image.resize(x, (64, 64))",
    "import keras\nkeras.layers.Resizing(64, 64)",
    "from keras.utils import load_img\nload_img(p, target_size=(64, 64))",
    "from skimage.transform import resize\nresize(x, (64, 64), anti_aliasing=False)",
    "import albumentations as A\nA.Resize(64, 64)",
]
SAFE = [
    "import cv2\ncv2.resize(x, (64, 64), interpolation=cv2.INTER_AREA)",
    "import cv2\ncv2.resize(x, (64, 64), None, 0, 0, cv2.INTER_AREA)",
    "from PIL import Image\nImage.open(p).resize((64, 64))",
    "from PIL import Image\nImage.open(p).resize((64, 64), Image.Resampling.BOX)",
    "from PIL import Image\nImage.open(p).resize((64, 64), Image.LANCZOS)",
    "from torchvision import transforms\ntransforms.Resize(64, antialias=True)",
    "from torchvision import transforms\ntransforms.Resize(64)",
    "import torch.nn.functional as F\nF.interpolate(x, scale_factor=2)",
    "import torch.nn.functional as F\nF.interpolate(x, size=skip.shape[2:], mode='bilinear')",
    "import torch.nn.functional as F\nF.interpolate(x, size=(64, 64), mode='bilinear', antialias=True)",
    "import torch.nn.functional as F\nF.interpolate(x, (64, 64), mode='area')",
    "import tensorflow as tf\ntf.image.resize(x, (64, 64), antialias=True)",
    "import tensorflow as tf\ntf.image.resize(x, (64, 64), 'area')",
    "from keras.utils import load_img\nload_img(p)",
    "from skimage.transform import resize\nresize(x, (64, 64))",
    "import albumentations as A, cv2\nA.Resize(64, 64, cv2.INTER_AREA)",
    "import numpy as np\nx.resize((64, 64))",
]


def told(text: str) -> int:
    return len(unsafe_resize.RULE.findings(Program((parse("train.py", text),), "")))


@pytest.mark.parametrize("text", UNSAFE)
def test_what_skips_pixels_is_told_once(text: str) -> None:
    assert told(text) == 1


@pytest.mark.parametrize("text", SAFE)
def test_what_averages_is_not(text: str) -> None:
    assert told(text) == 0


def _through(how: int) -> float:
    """How far a Pillow filter's small picture lies from the picture that the attack hid for the nearest pixel, in grey levels."""
    from PIL import Image

    cover, hidden = np.full((256, 256), 200, np.uint8), np.zeros((64, 64), np.uint8)
    cover[2::4, 2::4] = hidden
    small = np.asarray(Image.fromarray(cover).resize((64, 64), how), float)
    return float(np.abs(small - hidden).mean())


def test_the_scalers_that_are_told_are_those_that_show_the_hidden_picture() -> None:
    pytest.importorskip("PIL")
    from PIL.Image import Resampling

    assert _through(Resampling.NEAREST) < 1
    for safe in (Resampling.BOX, Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS):
        assert _through(safe) > 100
