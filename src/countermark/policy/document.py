"""The policy document: TOML that a person can read on one page. Unknown keys are refused; absent means denied."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from typing import Any

from countermark import canonical
from countermark.errors import PolicyRefused

FORMAT = 1
MAX_BYTES = 256 << 10
MAX_RULES = 200
ASSETS = ("training data", "training configuration", "trained model", "queries and results")
MODES = ("passed", "passed-or-set-aside")


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule.

    Attributes:
        id: name in verdicts. asset: one of `ASSETS`. require: CEL that must be true.
        evidence: root fields whose statements it rests on. why, mend: told where it fails.
        waivable: whether a waiver that names this id counts.
    """

    id: str
    asset: str
    require: str
    evidence: tuple[str, ...]
    why: str
    mend: str
    waivable: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """A trial that must have run to its end, with a measure within a bound."""

    trial: str
    measure: str
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy and its exact source.

    Attributes:
        checks: check id (or ``room/*``) -> mode; each is a rule of its own and waivable by its id.
        trials: trials that are needed and their bounds. rules: CEL rules. unwaivable: rules no waiver lifts.
    """

    name: str
    checks: dict[str, str]
    trials: tuple[Bound, ...]
    rules: tuple[Rule, ...]
    source: bytes

    @property
    def digest(self) -> str:
        """SHA-256 hex of the policy file's bytes, as the trust document names it."""
        return canonical.sha256_hex(self.source)

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Parse strictly.

        Raises:
            PolicyRefused: not TOML, an unknown or missing key (the nearest known one is named), doubled rules.
        """
        value = _toml(data)
        _only(value, {"format", "name", "checks", "trials", "rule"}, "policy")
        if value.get("format") != FORMAT:
            raise PolicyRefused("policy of an unknown format", mend=f"format = {FORMAT}")
        rules = tuple(_rule(r) for r in _list(value, "rule"))
        checks = {str(k): _mode(str(k), v) for k, v in _table(value, "checks").items()}
        trials = tuple(_bound(name, v) for name, v in _table(value, "trials").items())
        ids = [r.id for r in rules] + list(checks) + [t.trial for t in trials]
        if len(set(ids)) != len(ids) or not rules or len(ids) > MAX_RULES:
            raise PolicyRefused("a policy has 1 to 200 rules, each with an id of its own")
        return cls(str(value.get("name", "")), checks, trials, rules, data)


def _toml(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise PolicyRefused(f"policy of {len(data)} bytes", why=f"the limit is {MAX_BYTES}")
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyRefused("the policy is not TOML", why=str(error)) from error


def _only(value: dict[str, Any], known: set[str], what: str) -> None:
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), 1)
            mend = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise PolicyRefused(
                f"{what}: unknown key {key!r}", why="a key that nobody reads protects nobody", mend=mend
            )


def _table(value: dict[str, Any], name: str) -> dict[str, Any]:
    table = value.get(name, {})
    if not isinstance(table, dict):
        raise PolicyRefused(f"policy: {name} is not a table")
    return table


def _list(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = value.get(name, [])
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise PolicyRefused(f"policy: {name} is not a list of tables", mend=f"[[{name}]]")
    return items


def _text(value: dict[str, Any], name: str, what: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise PolicyRefused(f"{what}: {name} is missing")
    return text


def _rule(value: dict[str, Any]) -> Rule:
    what = f"rule {value.get('id', '?')!r}"
    _only(value, {"id", "asset", "require", "evidence", "why", "mend", "waivable"}, what)
    asset, evidence, waivable = _text(value, "asset", what), value.get("evidence", []), value.get("waivable", False)
    if asset not in ASSETS:
        raise PolicyRefused(f"{what}: unknown asset {asset!r}", mend=f"one of {', '.join(ASSETS)}")
    if (
        not isinstance(waivable, bool)
        or not isinstance(evidence, list)
        or not all(isinstance(e, str) for e in evidence)
    ):
        raise PolicyRefused(f"{what}: evidence is a list of names, waivable true or false")
    return Rule(
        _text(value, "id", what), asset, _text(value, "require", what), tuple(evidence),
        _text(value, "why", what), _text(value, "mend", what), waivable,
    )  # fmt: skip


def _mode(check: str, value: Any) -> str:
    if value not in MODES:
        raise PolicyRefused(f"check {check!r}: unknown mode {value!r}", mend=f"one of {', '.join(MODES)}")
    return str(value)


def _bound(trial: str, value: Any) -> Bound:
    what = f"trial {trial!r}"
    if not isinstance(value, dict):
        raise PolicyRefused(f"{what} is not a table")
    _only(value, {"measure", "at_least", "at_most"}, what)
    limits = [value.get(n) for n in ("at_least", "at_most")]
    if all(x is None for x in limits) or any(
        x is not None and (isinstance(x, bool) or not isinstance(x, int | float)) for x in limits
    ):
        raise PolicyRefused(f"{what}: at_least or at_most is needed, as a number")
    low, high = (None if x is None else float(x) for x in limits)
    return Bound(trial, _text(value, "measure", what), low, high)
