#!/bin/sh
# Fetch real part models for `--parts-library`: a few from each family of the KiCad 3-D library.
#
#   benchmarks/fetch_parts_library.sh OUTDIR [PER_FAMILY]
#
# Downloads the Debian package kicad-packages3d (379 MB) with apt-get, streams it once, and keeps up to PER_FAMILY (12)
# VRML models of 4 to 600 kB of each family folder: about 800 files, 100 MB. Nothing is installed. The models are
# CC-BY-SA-4.0 with the KiCad exception (a few GPL-3+): render them on your machine, commit neither them nor renders.
# The choice follows the digest of the file's name, so that it is the same everywhere and spread over each family.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 OUTDIR [PER_FAMILY]" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
per_family=${2:-12}

for tool in apt-get dpkg-deb python3; do
    command -v "$tool" >/dev/null || { echo "$0: needs $tool (a Debian or Ubuntu machine)" >&2; exit 3; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
if [ -n "${KICAD_PACKAGES3D_DEB:-}" ]; then
    deb=$KICAD_PACKAGES3D_DEB
else
    (cd "$work" && apt-get download -q kicad-packages3d >&2)
    deb=$(ls "$work"/kicad-packages3d_*.deb)
fi

cat >"$work/pick.py" <<'PY'
"""Read a tar stream; keep for each family the models whose names have the smallest digests."""

import hashlib
import sys
import tarfile
from pathlib import Path, PurePosixPath

out, per_family = Path(sys.argv[1]), int(sys.argv[2])
kept: dict[str, list[tuple[str, str, bytes]]] = {}
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as stream:
    for member in stream:
        path = PurePosixPath(member.name)
        if not member.isreg() or path.suffix != ".wrl" or not 4_000 <= member.size <= 600_000:
            continue
        family = path.parent.name.removesuffix(".3dshapes")
        rank = hashlib.sha256(path.name.encode()).hexdigest()
        best = kept.setdefault(family, [])
        if len(best) < per_family or rank < best[-1][0]:
            content = stream.extractfile(member)
            best.append((rank, path.name, content.read() if content else b""))
            best.sort()
            del best[per_family:]
for family, models in sorted(kept.items()):
    (out / family).mkdir(parents=True, exist_ok=True)
    for _, name, content in models:
        (out / family / name).write_bytes(content)
print(f"{sum(map(len, kept.values()))} models of {len(kept)} families in {out}")
PY
# The whole stream is read, so dpkg-deb ends well; a broken package shows in the reader, which finds no end.
dpkg-deb --fsys-tarfile "$deb" | python3 "$work/pick.py" "$out" "$per_family"
