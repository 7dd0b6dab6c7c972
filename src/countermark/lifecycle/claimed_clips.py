"""WAV clips whose suppliers nobody signed for: decoded in a confined child, screened as signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.artefact import labelled
from countermark.artefact.bucket import SCHEMES
from countermark.errors import FormatRefused
from countermark.formats.limits import OverLimit
from countermark.formats.wav import is_wav
from countermark.lifecycle.clips import LIMITS, in_batches
from countermark.sandbox.limits import ChildFailed
from countermark.sandbox.pipe import Child

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TASK = "countermark.formats._wav_task:decode"
_AT_ONCE = 64
MOST_SAMPLES = 1 << 28
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Clips:
    """Clips, float32 (t, channels), with their rates in Hz; and for each its id (its path), the supplier and label claimed."""

    signals: tuple[NDArray[np.float32], ...]
    rates: tuple[float, ...]
    paths: tuple[str, ...]
    suppliers: tuple[str, ...]
    labels: tuple[str, ...]


def holds_clips(place: str, pattern: str) -> bool:
    """Whether the first file of a folder that matches the pattern, in the order of names, is sound.

    Raises:
        Unusable: the pattern is not understood, or a file cannot be read.
    """
    path = Path(place)
    if place.startswith(SCHEMES) or not path.is_dir():
        return False
    rule = labelled.matcher(pattern)
    files = (f for f in sorted(path.rglob("*")) if f.is_file() and rule.fullmatch(f.relative_to(path).as_posix()))
    first = next(files, None)
    if first is None:
        return False
    with first.open("rb") as file:
        return is_wav(file.read(12)) or first.name.lower().endswith(labelled.SOUNDS)


def read_clips(place: str, pattern: str, progress: Progress | None = None) -> Clips:
    """Read labelled WAV files at a path or URL, all of them into memory.

    Args:
        pattern: where supplier and label stand in paths.

    Raises:
        As `labelled.clips`; FormatRefused: a clip does not decode. OverLimit: more than 2^28 samples in all.
    """
    rows = list(labelled.clips(place, pattern))
    out = decoded(rows, len(rows), progress)
    for path, clip in zip(out.paths, out.signals, strict=True):
        if clip.shape[1] != out.signals[0].shape[1]:
            raise FormatRefused(
                f"{path} has {clip.shape[1]} channels, {out.paths[0]} has {out.signals[0].shape[1]}",
                mend="as many in each",
            )
    return out


def decoded(rows: Iterable[labelled.Row], count: int, progress: Progress | None = None, *, beside: int = 0) -> Clips:
    """Samples of WAV files; a batch of files is in memory beside them.

    Args:
        rows: `picture` holds a clip. count: how many there are. beside: samples that are in memory already.

    Raises:
        FormatRefused: a clip does not decode. OverLimit: more than 2^28 samples in all. ChildFailed: the reader died.
    """
    signals: list[NDArray[np.float32]] = []
    rates: list[float] = []
    names: list[tuple[str, str, str]] = []
    total = beside
    with Child(LIMITS) as child:
        for some in in_batches(rows, lambda row: len(row.picture), _AT_ONCE):
            for row, (clip, rate) in zip(some, _decoded(child, some), strict=True):
                total += clip.size
                if total > MOST_SAMPLES:
                    raise OverLimit("samples of all clips", total, MOST_SAMPLES)
                signals.append(clip)
                rates.append(rate)
                names.append(row[:3])
            if progress:
                progress("decode", len(signals) / count)
    ids, suppliers, labels = zip(*names, strict=True) if names else ((), (), ())
    return Clips(tuple(signals), tuple(rates), ids, suppliers, labels)


def _decoded(child: Child, rows: Sequence[labelled.Row]) -> Iterator[tuple[NDArray[np.float32], float]]:
    """Samples and rate of each row; nothing of the answer is taken on trust."""
    import numpy as np

    reply = child.ask(_TASK, {}, [row.picture for row in rows])
    told = reply.json.get("clips")
    if not isinstance(told, list) or len(told) != len(rows) or len(reply.arrays) != 1 or reply.arrays[0].dtype != "<f4":
        raise ChildFailed("the confined reader answered with other clips than it was given")
    data, at = np.frombuffer(reply.arrays[0].data, "<f4"), 0
    for row, one in zip(rows, told, strict=True):
        match one:
            case str():
                raise FormatRefused(
                    f"{row.id} does not decode", why=one, mend="take the file out, or have it delivered again"
                )
            case [int(frames), int(channels), int(rate)] if (
                frames >= 0 and channels > 0 and rate > 0 and at + frames * channels <= len(data)
            ):
                yield data[at : at + frames * channels].reshape(frames, channels).astype(np.float32), float(rate)
                at += frames * channels
            case _:
                raise ChildFailed("the confined reader answered with a clip of no shape")
