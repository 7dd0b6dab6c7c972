"""`training/tls-off`: whoever stands between answers instead of the server."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_OFF = (
    "ssl._create_unverified_context",
    "ssl.CERT_NONE",
    "urllib3.disable_warnings",
    "requests.packages.urllib3.disable_warnings",
)
_SWITCHES = frozenset({"verify", "verify_ssl", "check_hostname", "ssl_verify"})


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_OFF):
        yield Hit(code, node, f"{name} leaves the server unchecked")
    for code, given in program.nodes(ast.keyword):
        if given.arg in _SWITCHES and code.names.value(given.value) is False:
            yield Hit(code, given, f"{given.arg}=False leaves the server unchecked")
    for code, field in program.nodes(ast.Attribute):
        if field.attr == "check_hostname" and isinstance(field.ctx, ast.Store):
            yield Hit(code, field, "check_hostname is set by hand")


RULE = Rule(
    "training/tls-off", "high", _find,
    why="anybody on the way can answer in the server's place",
    fix="leave the checks on; name the authority's certificate where it is your own",
    cannot_tell="whether the connection is made at all",
    bandit=("B501", "B323"),
)  # fmt: skip
