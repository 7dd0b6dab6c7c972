#!/bin/sh
# Writes the hash-pinned locks from pyproject.toml; they name no registry.
set -eu
cd "$(dirname "$0")/.."
# A lock is closed, so it is installed with `--no-deps`: older installers do not apply the pin of `pydantic[email]` to a
# requirement on `pydantic` (nor the other way), and take the newest release for a package without a pin.
options="--extra demo --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --quiet"
echo "hatchling>=1.27" | uv pip compile pyproject.toml - $options -o locks/demo.lock
uv pip compile pyproject.toml $options --group dev -o locks/dev.lock
