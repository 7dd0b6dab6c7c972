"""The software bill of materials of the base install: CycloneDX 1.6 JSON, the same bytes on every machine.

    python release/sbom.py [--wheel FILE] [--out FILE]

Components are what the lock pins for the base install. The hashes of a component's files stand at its `distribution`
reference, as any of them may be what was installed. Time is that of the commit (`SOURCE_DATE_EPOCH`), and the serial
number is derived from the content, so that two runs agree.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from lock import Pinned, base, declared, needed
from reproducible import epoch, version

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"


def bill(parts: Sequence[Pinned], wheel: Path | None, seconds: int) -> dict[str, Any]:
    """The document.

    Args:
        parts: the closure of the base install. wheel: whose hash stands at the program itself. seconds: since 1970.
    """
    program = _program(wheel)
    graph = [{"ref": program["bom-ref"], "dependsOn": _refs(parts, needed(declared()))}]
    graph += [{"ref": part.purl, "dependsOn": _refs(parts, part.needs)} for part in parts]
    said = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {
                "components": [{"type": "application", "name": "countermark release/sbom.py", "version": version()}]
            },
            "component": program,
        },
        "components": [_component(part) for part in parts],
        "dependencies": graph,
        "compositions": [{"aggregate": "complete", "dependencies": [program["bom-ref"]]}],
    }
    content = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return {**said, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"}


def to_bytes(said: dict[str, Any]) -> bytes:
    """As the file holds it."""
    return json.dumps(said, sort_keys=True, indent=2).encode() + b"\n"


def _program(wheel: Path | None) -> dict[str, Any]:
    ref = f"pkg:pypi/countermark@{version()}"
    said = {
        "type": "application", "bom-ref": ref, "name": "countermark", "version": version(), "purl": ref,
        "description": "The base install, without extras", "licenses": _expression("Apache-2.0"),
    }  # fmt: skip
    if wheel is not None:
        said["hashes"] = [_hash(hashlib.sha256(wheel.read_bytes()).hexdigest())]
    return said


def _component(part: Pinned) -> dict[str, Any]:
    files = {
        "type": "distribution", "url": part.purl, "hashes": [_hash(text) for text in part.hashes],
        "comment": "any one of these files, as the lock allows",
    }  # fmt: skip
    return {
        "type": "library", "bom-ref": part.purl, "name": part.name, "version": part.version, "purl": part.purl,
        "scope": "required", "licenses": _licences(part.name), "externalReferences": [files],
    }  # fmt: skip


def _licences(name: str) -> list[dict[str, Any]]:
    """What a package declares: its SPDX expression, else its classifiers, else its free text of one line, else nothing."""
    said = metadata(name)
    if expression := said.get("License-Expression"):
        return _expression(expression)
    kinds = [text.rpartition(" :: ")[2] for text in said.get_all("Classifier", []) if text.startswith("License :: ")]
    free = (said.get("License") or "").strip()
    names = sorted(kinds) or ([free] if free and "\n" not in free else [])
    return [{"license": {"name": name, "acknowledgement": "declared"}} for name in names]


def _expression(text: str) -> list[dict[str, Any]]:
    return [{"expression": text, "acknowledgement": "declared"}]


def _hash(content: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": content}


def _refs(parts: Sequence[Pinned], names: Sequence[str]) -> list[str]:
    purls = {part.name: part.purl for part in parts}
    return [purls[name] for name in names]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--wheel", type=Path, help="whose SHA-256 stands at the program itself")
    parser.add_argument("--out", type=Path, help="file to write; default: standard output")
    options = parser.parse_args()
    data = to_bytes(bill(base(), options.wheel, epoch()))
    if options.out is None:
        sys.stdout.buffer.write(data)
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
