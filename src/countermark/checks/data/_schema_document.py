"""pandera's schema of a table, read from JSON or YAML by an allow-list: data in, constraints out, nothing that runs.

pandera's own reader looks check names up as attributes and sets options as attributes, so that only names known here get to
it. Regular expressions are not taken: one of them can cost more time than the table has rows.

Source: pandera, "Schema Inference / Persistence" (`DataFrameSchema.to_json`, `to_yaml`). Page: docs/reference/checks/data/schema.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from countermark.errors import FormatRefused, MissingExtra

MOST_BYTES = 1 << 20
MOST_VALUES, MOST_TEXT, MOST_DEPTH = 100_000, 4096, 8
DOCUMENT = {
    "schema_type", "version", "api", "columns", "checks", "index", "dtype", "coerce", "strict", "name", "ordered", "unique",
    "report_duplicates", "unique_column_names", "add_missing_columns", "title", "description", "drop_invalid_rows",
}  # fmt: skip
COLUMN = {
    "name", "title", "description", "dtype", "nullable", "unique", "coerce", "required", "regex", "drop_invalid_rows",
    "checks", "report_duplicates",
}  # fmt: skip
CHECKS = {
    "equal_to", "not_equal_to", "greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to", "in_range",
    "isin", "notin", "str_length",
}  # fmt: skip
OPTIONS = {"check_name", "ignore_na"}
UNSET: tuple[object, ...] = (None, False, [], {}, "all")


def schema_of(document: bytes) -> Any:
    """The `pandera.DataFrameSchema` of a document.

    Args:
        document: what `to_json` or `to_yaml` writes, of columns with types, nulls, ranges, sets and lengths.

    Raises:
        FormatRefused: malformed, larger than 1 MiB, or something that is not on the list. MissingExtra: pandera is absent.
    """
    reader = _reader()
    content = checked(_parsed(document))
    try:
        return reader(content)
    except Exception as error:  # pandera raises what its parts raise; the document cannot be used
        raise FormatRefused("pandera cannot use this schema", why=f"{type(error).__name__}: {error}"[:300]) from error


def pandera() -> Any:
    """The module pandera.pandas.

    Raises:
        MissingExtra: it is absent.
    """
    try:
        import pandera.pandas
    except ImportError:
        raise MissingExtra("schemas need pandera", mend="pip install 'countermark[tables]'") from None
    return pandera.pandas


def checked(content: object) -> dict[str, Any]:
    """The same document, of which everything is on the list.

    Raises:
        FormatRefused: something is not.
    """
    document = _object(content, DOCUMENT, "the schema")
    if document.get("schema_type", "dataframe") != "dataframe" or document.get("api", "pandas") != "pandas":
        raise FormatRefused("this is no schema of a data frame for pandas")
    for name in ("checks", "index", "dtype", "coerce", "unique", "add_missing_columns", "drop_invalid_rows"):
        if document.get(name) not in UNSET:
            raise FormatRefused(f"the schema has {name!r}", why="it says something of columns only", mend="take it out")
    columns = document.get("columns")
    if not isinstance(columns, dict) or not columns or not all(isinstance(c, str) for c in columns):
        raise FormatRefused("the schema names no columns")
    return document | {"columns": {name: _column(name, column) for name, column in columns.items()}}


def _column(name: str, content: object) -> dict[str, Any]:
    column = _object(content, COLUMN | CHECKS, f"column {name!r:.80}")
    for fixed in ("coerce", "regex", "drop_invalid_rows"):
        if column.get(fixed) not in UNSET:
            raise FormatRefused(
                f"column {name!r:.80} has {fixed!r}", why="values are looked at as they are", mend="take it out"
            )
    checks = column.get("checks")
    if isinstance(checks, dict):
        _object(checks, CHECKS, f"the checks of column {name!r:.80}")
    elif isinstance(checks, list):
        for one in checks:
            _listed(one, name)
    elif checks is not None:
        raise FormatRefused(f"the checks of column {name!r:.80} are no list")
    for key in CHECKS & set(column):
        _options(column[key], name)
    return column


def _listed(check: object, name: str) -> None:
    if not isinstance(check, dict) or not isinstance(check.get("options"), dict):
        raise FormatRefused(f"a check of column {name!r:.80} has no name")
    if check["options"].get("check_name") not in CHECKS:
        raise FormatRefused(
            f"check {check['options'].get('check_name')!r:.80} of column {name!r:.80} is not known here", mend=_known()
        )
    _options(check, name)


def _options(check: object, name: str) -> None:
    if isinstance(check, dict) and "options" in check:
        _object(check["options"], OPTIONS, f"options of a check of column {name!r:.80}")


def _object(content: object, known: set[str], what: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise FormatRefused(f"{what} is no object")
    if strange := sorted(str(k) for k in content if k not in known):
        raise FormatRefused(f"{what} has {strange[0]!r:.80}, which is not known here", mend=_known())
    return dict(content)


def _known() -> str:
    return f"checks that are: {', '.join(sorted(CHECKS))}"


def _parsed(document: bytes) -> object:
    if len(document) > MOST_BYTES:
        raise FormatRefused(f"a schema of {len(document)} bytes", why=f"the limit is {MOST_BYTES}")
    try:
        text = document.decode()
        content = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise FormatRefused("the schema is neither JSON nor YAML", why=str(error)[:300]) from error
    _bounded(content, MOST_DEPTH)
    return content


def _yaml(text: str) -> object:
    try:
        import yaml
    except ImportError:
        raise MissingExtra(
            "schemas in YAML need PyYAML", mend="pip install 'countermark[tables]', or write JSON"
        ) from None
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise FormatRefused("the schema has aliases", why="a few of them stand for more than memory holds")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _bounded(content: object, depth: int) -> int:
    """Number of values, which are plain and not nested deeply."""
    if depth < 0:
        raise FormatRefused("the schema is nested too deeply")
    if isinstance(content, Mapping | list):
        parts = [*content.keys(), *content.values()] if isinstance(content, Mapping) else content
        total = 1 + sum(_bounded(part, depth - 1) for part in parts)
        if total > MOST_VALUES:
            raise FormatRefused(f"the schema holds more than {MOST_VALUES} values")
        return total
    if isinstance(content, str) and len(content) > MOST_TEXT:
        raise FormatRefused(f"the schema holds a text of {len(content)} characters", why=f"the limit is {MOST_TEXT}")
    return 1


def _reader() -> Any:
    pandera()
    from pandera.io.pandas_io import deserialize_schema

    return deserialize_schema
