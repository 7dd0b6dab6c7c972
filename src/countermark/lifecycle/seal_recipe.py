"""Sealed recipes: a TOML, YAML or JSON file whose named values are sealed for named parties, and verifiable as a whole by all.

``NAME.cmfields`` is one signed envelope. Two versions of it show which fields have the same value, sealed ones included, to everybody.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from countermark import canonical, dsse
from countermark.errors import FormatRefused, MissingExtra, Unusable
from countermark.lifecycle.desk import read_file
from countermark.lifecycle.seal import Reader, Sealer
from countermark.seal import field_sealing, fields
from countermark.seal.fields import Document, Opening
from countermark.seal.stanza import Identity, Recipient
from countermark.workspace.disk import Disk

SUFFIX = ".cmfields"
MOST_BYTES = 1 << 20


def seal(
    source: Path, target: Path, sealed: Mapping[str, Sequence[Recipient]], by: Sealer, *, before: Sequence[Opening] = (),
    disk: Disk | None = None,
) -> Document:  # fmt: skip
    """Seal fields of a file.

    Args:
        sealed: dotted path, such as ``train.learning_rate`` -> who may read it and all below it. before: what `opened` gave of the
            version before, so that fields which did not change are proven not to have.

    Raises:
        Unusable: `target` exists, or the file cannot be read. FormatRefused, StatementRefused: malformed, or a path leads nowhere.
    """
    if target.exists() or target.is_symlink():
        raise Unusable(f"{target} exists", why="a sealed file is never written over", mend="name another with --out")
    wanted = {tuple(path.split(".")): tuple(to) for path, to in sealed.items()}
    made = field_sealing.seal(
        parse(source), wanted, name=source.name, sealer=by.key, project=by.project, issued=by.issued, before=before
    )
    (disk or Disk()).write(target, made.signed(by.signers).to_bytes(), mode=0o644)
    return made


def verified(path: Path, reader: Reader) -> tuple[Document, str]:
    """The document and who sealed it; needs no key.

    Raises:
        SignatureRefused, TrustRefused, StatementRefused, FormatRefused: it does not hold.
    """
    envelope = dsse.Envelope.from_bytes(read_file(path, 2 * fields.MOST_BYTES), what=path.name)
    document, who = fields.verified(envelope, reader.authority, project=reader.project)
    reader.entitled(who, "recipe")
    return document, who


def opened(path: Path, reader: Reader, identity: Identity) -> tuple[Document, tuple[Opening, ...]]:
    """The document, and every field that an identity can read, held against its commitment.

    Raises:
        As `verified`; FormatRefused: a field is not what was committed to.
    """
    document, _ = verified(path, reader)
    return document, fields.opened(document, identity)


def parse(path: Path) -> dict[str, Any]:
    """A TOML, YAML or JSON file of at most 1 MiB as JSON values.

    Raises:
        Unusable: it cannot be read. FormatRefused: malformed, of another kind, or with values that JSON has not. MissingExtra: YAML without its library.
    """
    data, kind = read_file(path, MOST_BYTES), path.suffix.lower()
    if kind == ".toml":
        try:
            value: Any = tomllib.loads(data.decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            raise FormatRefused(f"{path.name} is not TOML", why=str(error)) from error
    elif kind in (".yaml", ".yml"):
        value = _yaml(data, path.name)
    elif kind == ".json":
        value = canonical.from_bytes(data, what=path.name)
    else:
        raise FormatRefused(f"{path.name} is neither TOML, YAML nor JSON", mend="seal it as a file, without --field")
    if not isinstance(value, dict) or not value:
        raise FormatRefused(f"{path.name} holds no keys", mend="fields are named by keys")
    canonical.to_bytes(_plain(value, path.name))
    return value


def _plain(value: Any, name: str) -> Any:
    """Refuse values that are no JSON, such as dates, by their own name."""
    if isinstance(value, dict):
        return {key: _plain(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, name) for one in value]
    if value is not None and not isinstance(value, str | int | float | bool):
        raise FormatRefused(
            f"{name} holds a {type(value).__name__}, which JSON has not", mend="write it as text, in quotes"
        )
    return value


def _yaml(data: bytes, name: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(
            "sealing fields of YAML needs PyYAML", mend="pip install 'countermark[tables]', or write TOML"
        ) from error
    try:
        text = data.decode()
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken | yaml.DirectiveToken):
                raise FormatRefused(
                    f"{name} holds YAML anchors, aliases, tags or directives", why="a few lines of them can mean gigabytes",
                    mend="write the values out",
                )  # fmt: skip
        loader = yaml.SafeLoader(text)
        return _composed(loader, loader.get_single_node(), yaml)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise FormatRefused(f"{name} is not YAML", why=str(error)[:400]) from error


def _composed(loader: Any, node: Any, yaml: Any) -> Any:
    """A node's value; a key that stands twice is refused, where YAML libraries take the last."""
    if isinstance(node, yaml.MappingNode):
        pairs = [
            (_key(loader.construct_object(key, deep=True)), _composed(loader, value, yaml)) for key, value in node.value
        ]
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ValueError(f"a key stands twice at {node.start_mark}")
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_composed(loader, one, yaml) for one in node.value]
    return loader.construct_object(node) if node is not None else None


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r:.80} is no text; write it in quotes")
    return key
