"""The policy document: TOML that a person can read on one page. Unknown keys are refused; absent means denied."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from countermark import canonical
from countermark.errors import PolicyRefused
from countermark.policy._parse import Node, parse, roots

FORMAT = 1
MAX_BYTES = 256 << 10
MAX_RULES = 200
ASSETS = ("training data", "training configuration", "trained model", "queries and results")
MODES = ("passed", "passed-or-set-aside", "low-or-set-aside")
STAGES = (
    "deliveries", "screening", "quarantines", "decisions", "training", "inspection", "trials", "approvals", "waivers",
)  # fmt: skip
"""Stages whose signer's role every policy names."""
SEALED = ("model",)
"""Kinds of assets that a policy may want sealed: those whose plain form is refused wherever one is loaded (`lifecycle.verify.refuse_plain`)."""
UNENFORCED = ("dataset", "recipe")
"""Kinds that can be sealed, and whose plain form nothing refuses by policy: naming them would do nothing, and is refused."""
ROOTS = (
    "project", "subject", "deliveries", "screening", "quarantines", "decisions", "training", "inspection", "trials",
    "approvals", "waivers", "revocations", "ledger", "admitted_dataset", "set_aside", "accepted", "not_looked_at", "now",
)  # fmt: skip
"""Names that a rule may use: the fields of Evidence v1, and the moment of judging."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule.

    Attributes:
        id: name in verdicts. asset: one of `ASSETS`. require: CEL that must be true.
        evidence: root fields whose statements it rests on. why, mend: told where it fails.
        waivable: whether a waiver that names this id counts. parsed: `require`, read by our own bounded parser.
    """

    id: str
    asset: str
    require: str
    evidence: tuple[str, ...]
    why: str
    mend: str
    waivable: bool
    parsed: Node = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bound:
    """A trial that must have run to its end, with a measure within a bound; finite numbers, both ends included."""

    trial: str
    measure: str
    at_least: float | None
    at_most: float | None

    def __str__(self) -> str:
        ends = (("at least", self.at_least), ("at most", self.at_most))
        return f"{self.measure} {' and '.join(f'{word} {end:g}' for word, end in ends if end is not None)}"


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy and its exact source.

    Attributes:
        sealed: kinds of assets that are taken sealed only; a plain one in their place is refused.
        signers: stage -> role whose statements count. checks: check id (or ``room/*``) -> mode; each is a rule of
            its own and waivable by its id. trials: trials that are needed and their bounds. rules: CEL rules.
    """

    name: str
    signers: dict[str, str]
    checks: dict[str, str]
    trials: tuple[Bound, ...]
    rules: tuple[Rule, ...]
    source: bytes
    sealed: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 hex of the policy file's bytes, as the trust document names it."""
        return canonical.sha256_hex(self.source)

    @classmethod
    def from_bytes(cls, data: bytes) -> Policy:
        """Parse strictly; every CEL rule is read too.

        Raises:
            PolicyRefused: not TOML, an unknown or missing key (the nearest known one is named), doubled rules, CEL
            that cannot be read or nests too deep, or a name that no evidence has.
        """
        value = _toml(data)
        _only(value, {"format", "name", "sealed", "signers", "checks", "trials", "rule"}, "policy")
        if type(value.get("format")) is not int or value["format"] != FORMAT:
            raise PolicyRefused(f"policy of unknown format {value.get('format')!r}", mend=f"format = {FORMAT}")
        rules = tuple(_rule(r) for r in _list(value, "rule"))
        checks = {name: _mode(name, v) for name, v in _table(value, "checks").items()}
        trials = tuple(_bound(name, v) for name, v in _table(value, "trials").items())
        _distinct([r.id for r in rules] + list(checks) + [t.trial for t in trials])
        name, signers = _text(value, "name", "policy"), _signers(_table(value, "signers"))
        return cls(name, signers, checks, trials, rules, data, _sealed(value.get("sealed", [])))


def _sealed(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(kind, str) for kind in value):
        raise PolicyRefused("policy: sealed is not a list of kinds", mend='sealed = ["model"]')
    for kind in value:
        if kind in UNENFORCED:
            raise PolicyRefused(
                f"sealed: no stage refuses a plain {kind} by policy", why="a word that nothing enforces protects nobody",
                mend='sealed = ["model"]; a run under seal (`countermark train --sealed`) takes the inputs that it names sealed only',
            )  # fmt: skip
    _only(value, SEALED, "sealed")
    return tuple(value)


def _toml(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise PolicyRefused(f"policy of {len(data)} bytes", why=f"the limit is {MAX_BYTES}")
    try:
        text = data.decode()
        value = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise PolicyRefused("the policy is not TOML", why=str(error)) from error
    if hidden := canonical.unprintable(text.replace("\n", "").replace("\t", "")):
        raise PolicyRefused(
            f"the policy holds the control character {hidden}", why="no passport could carry it",
            mend="save it with Unix line endings" if hidden == "\\r" else "remove it",
        )  # fmt: skip
    return value


def _only(value: Iterable[str], known: Iterable[str], what: str) -> None:
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), 1)
            mend = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            why = "a key that nobody reads protects nobody"
            raise PolicyRefused(f"{what}: unknown key {key!r}", why=why, mend=mend)


def _distinct(ids: list[str]) -> None:
    twice = [i for i in ids if ids.count(i) > 1] if len(ids) <= MAX_RULES else []
    if not ids or len(ids) > MAX_RULES:
        raise PolicyRefused(f"a policy of {len(ids)} rules", why=f"1 to {MAX_RULES} are taken")
    if twice:
        raise PolicyRefused(f"two rules are called {twice[0]!r}", mend="give each an id of its own")


def _table(value: dict[str, Any], name: str) -> dict[str, Any]:
    table = value.get(name, {})
    if not isinstance(table, dict):
        raise PolicyRefused(f"policy: {name} is not a table", mend=f"[{name}]")
    return table


def _list(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    items = value.get(name, [])
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise PolicyRefused(f"policy: {name} is not a list of tables", mend=f"[[{name}]]")
    return items


def _text(value: dict[str, Any], name: str, what: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text.strip():
        raise PolicyRefused(f"{what}: {name!r} is missing", mend=f'{name} = "..."')
    if hidden := canonical.unprintable(text.replace("\n", "").replace("\t", "")):
        raise PolicyRefused(f"{what}: {name!r} holds the control character {hidden}")
    return text


def _signers(value: dict[str, Any]) -> dict[str, str]:
    _only(value, STAGES, "signers")
    return {stage: _text(value, stage, "signers") for stage in STAGES}


def _rule(value: dict[str, Any]) -> Rule:
    what = f"rule {value.get('id', '?')!r}"
    _only(value, {"id", "asset", "require", "evidence", "why", "mend", "waivable"}, what)
    rule_id, require, waivable = _text(value, "id", what), _text(value, "require", what), value.get("waivable", False)
    if value.get("asset") not in ASSETS:
        raise PolicyRefused(f"{what}: unknown asset {value.get('asset')!r}", mend=f"one of {', '.join(ASSETS)}")
    if not isinstance(waivable, bool):
        raise PolicyRefused(f"{what}: waivable is neither true nor false")
    parsed = parse(rule_id, require)
    _only(sorted(roots(parsed)), ROOTS, f"{what}: require")
    return Rule(
        rule_id, value["asset"], require, _evidence(value.get("evidence"), what), _text(value, "why", what),
        _text(value, "mend", what), waivable, parsed,
    )  # fmt: skip


def _evidence(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(e, str) for e in value):
        raise PolicyRefused(f"{what}: 'evidence' is a list of the fields it rests on", mend='evidence = ["training"]')
    _only(value, ROOTS, f"{what}: evidence")
    return tuple(value)


def _mode(check: str, value: Any) -> str:
    if value not in MODES:
        raise PolicyRefused(f"check {check!r}: unknown mode {value!r}", mend=f"one of {', '.join(MODES)}")
    if check.split("/", 1)[0] not in ("data", "model") or "/" not in check:
        raise PolicyRefused(f"check {check!r} is in no room that a release looks at", mend="data/... or model/...")
    return str(value)


def _bound(trial: str, value: Any) -> Bound:
    what = f"trial {trial!r}"
    if not isinstance(value, dict):
        raise PolicyRefused(f"{what} is not a table", mend='{ measure = "...", at_least = 0.5 }')
    _only(value, {"measure", "at_least", "at_most"}, what)
    low, high = (_number(value.get(name), what, name) for name in ("at_least", "at_most"))
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        raise PolicyRefused(f"{what} has no bound that a value could meet", mend="at_least or at_most, as a number")
    return Bound(trial, _text(value, "measure", what), low, high)


def _number(value: Any, what: str, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PolicyRefused(f"{what}: {name} is not a finite number", why=f"seen: {value!r:.40}")
    return float(value)
