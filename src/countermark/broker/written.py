"""A release policy as an owner writes it: TOML, read strictly; what is left out is denied, or empty where that is the narrower.

owner = "acme"
sequence = 1
days = 30
[[rule]]
evidence = "tpm-quote"
recipient = "plant-7"
releases = 10
keys = ["HEX"]
pcrs = { 16 = "HEX" }
"""

from __future__ import annotations

import tomllib
from datetime import datetime, timedelta
from typing import Any

from countermark.broker.policy import MOST_BYTES, ReleasePolicy, Rule
from countermark.errors import StatementRefused
from countermark.seal.stanza import NO_LICENCE

MOST_DAYS = 3660
_OPTIONAL: dict[str, Any] = {"keys": [], "pcrs": {}, "measurements": {}, "tcb": [], "licence": NO_LICENCE, "claims": {}}
_TOP = {"owner", "sequence", "days", "rule"}


def parse(data: bytes, asset: bytes, now: datetime) -> ReleasePolicy:
    """The policy for one sealed asset, from now on.

    Args:
        asset: 32 bytes, of its prelude. now: in UTC.

    Raises:
        StatementRefused: not TOML, a field is missing, unknown or of another type, or a rule of rules is broken.
    """
    if len(data) > MOST_BYTES:
        raise StatementRefused(f"rules of {len(data)} bytes", why=f"the limit is {MOST_BYTES}")
    try:
        said = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise StatementRefused("the rules are not TOML", why=str(error)[:300], mend="mend the line it names") from error
    if set(said) != _TOP:
        differ = sorted(set(said) ^ _TOP)
        raise StatementRefused(
            f"the rules lack or do not know {', '.join(differ)[:200]}", mend=f"they have {', '.join(sorted(_TOP))}"
        )
    days, sequence, owner, rules = said["days"], said["sequence"], said["owner"], said["rule"]
    if type(days) is not int or not 1 <= days <= MOST_DAYS or type(sequence) is not int or not isinstance(owner, str):
        raise StatementRefused(f"owner is text, sequence a number, and days a number from 1 to {MOST_DAYS}")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise StatementRefused("rules are written as [[rule]]")
    begins = now.replace(microsecond=0)
    parsed = tuple(Rule.from_json({**_OPTIONAL, **rule}) for rule in rules)
    return ReleasePolicy(owner, asset, sequence, begins, begins + timedelta(days=days), parsed)
