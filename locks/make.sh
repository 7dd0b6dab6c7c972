#!/bin/sh
# Writes the hash-pinned locks from pyproject.toml; they name no registry.
set -eu
cd "$(dirname "$0")/.."
# Extras are kept in the pins: older installers do not apply the pin of `coverage` to a requirement on `coverage[toml]`.
options="--no-strip-extras --extra demo --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --quiet"
echo "hatchling>=1.27" | uv pip compile pyproject.toml - $options -o locks/demo.lock
uv pip compile pyproject.toml $options --group dev -o locks/dev.lock
