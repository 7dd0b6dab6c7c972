"""Whom an owner lets have the key of one sealed asset, and on what evidence. Pure: documents and values, no files, no clock.

Source: `docs/reference/formats/release-request.md`. A policy is of one asset and is signed by the asset's owner; what no rule
grants is denied. Claims of a request (the digests of the recipe, environment or policy it is going to run under) must be exactly
those of the rule: what a rule does not name may not be claimed, and what it names must be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from countermark import canonical
from countermark.canonical import Fields
from countermark.errors import PolicyRefused, StatementRefused
from countermark.keys.tpm_policy import PCRS
from countermark.seal.stanza import NO_LICENCE, Binding

PAYLOAD_TYPE = "application/vnd.countermark.release-policy.v1+json"
FORMAT = 1
MOST_BYTES = 256 << 10
MOST_RULES, MOST_KEYS, MOST_CLAIMS = 100, 1000, 16
SOFTWARE, PKCS11, TPM, SGX, TDX = "software", "pkcs11", "tpm-quote", "sgx", "tdx"
KEYED = (SOFTWARE, PKCS11, TPM)
MEASURED = {
    SGX: {"mr_enclave": 32, "mr_signer": 32, "isv_prod_id": 2, "isv_svn": 2},
    TDX: {"mr_td": 48, "rt_mr0": 48, "rt_mr1": 48, "rt_mr2": 48, "rt_mr3": 48, "mr_config_id": 48, "mr_owner": 48},
}
IDENTIFYING = {SGX: ("mr_enclave", "mr_signer"), TDX: ("mr_td",)}
STATUSES = ("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded")
"""TCB levels that a rule may accept; an outdated or revoked platform is never one."""
OWNER = re.compile(r"[a-z0-9-]{1,64}")
CLAIM = re.compile(r"[a-z][a-z-]{0,31}")
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to the key.

    Attributes:
        evidence: of `KEYED` or `MEASURED`. recipient: name that the key is released to. releases: how often at most, 1 and up.
        keys: ids that count, hex: SHA-256 of a key's SubjectPublicKeyInfo, or of a TPM key's public area; none for SGX and TDX.
        pcrs: of a TPM, index -> value. measurements: of SGX or TDX, name -> hex. tcb: of `STATUSES`. licence: digest that the copy is
            bound to. claims: name -> hex SHA-256. id: hex SHA-256 of what it asks, without how often: raising the number goes on counting.
    """

    evidence: str
    recipient: str
    releases: int
    keys: frozenset[str] = frozenset()
    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    measurements: Mapping[str, str] = field(default_factory=dict)
    tcb: tuple[str, ...] = ()
    licence: str = NO_LICENCE
    claims: Mapping[str, str] = field(default_factory=dict)
    id: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        Binding(bytes(32), bytes(32), self.recipient, self.licence)
        if self.evidence not in (*KEYED, *MEASURED):
            raise StatementRefused(
                f"a rule for evidence {self.evidence!r:.40}", mend=f"one of {', '.join((*KEYED, *MEASURED))}"
            )
        if self.releases < 1:
            raise StatementRefused("a rule that grants no release", mend="leave it out")
        if (self.evidence in KEYED) != bool(self.keys) or len(self.keys) > MOST_KEYS:
            raise StatementRefused(f"a rule for {self.evidence} names 1 to {MOST_KEYS} keys; one for an enclave none")
        if (self.evidence == TPM) != bool(self.pcrs) or any(
            not 0 <= at < PCRS or len(v) != 32 for at, v in self.pcrs.items()
        ):
            raise StatementRefused("PCR 0 to 23 belong to a rule for a TPM's quote, which names one at least")
        self._check_measured()
        check_claims(self.claims)
        asked = {name: value for name, value in self.to_json().items() if name != "releases"}
        object.__setattr__(self, "id", canonical.sha256_hex(canonical.to_bytes(asked)))  # once: each release names it

    def _check_measured(self) -> None:
        known = MEASURED.get(self.evidence, {})
        if any(len(value) != 2 * known.get(name, 0) or not _hex(value) for name, value in self.measurements.items()):
            raise StatementRefused(
                "a measurement is unknown, or of another size", mend=f"known are {', '.join(known) or 'none'}"
            )
        if known and not set(self.measurements) & set(IDENTIFYING[self.evidence]):
            raise StatementRefused(
                f"a rule for {self.evidence} names {' or '.join(IDENTIFYING[self.evidence])}",
                why="without it any program in any enclave of the kind would get the key",
            )
        if bool(known) != bool(self.tcb) or set(self.tcb) - set(STATUSES):
            raise StatementRefused("a rule for an enclave names the TCB levels it takes", mend=", ".join(STATUSES))

    def to_json(self) -> dict[str, Any]:
        """JSON object; always with all fields."""
        return {
            "evidence": self.evidence,
            "recipient": self.recipient,
            "releases": self.releases,
            "keys": sorted(self.keys),
            "pcrs": {str(at): value.hex() for at, value in self.pcrs.items()},
            "measurements": dict(self.measurements),
            "tcb": list(self.tcb),
            "licence": self.licence,
            "claims": dict(self.claims),
        }

    @classmethod
    def from_json(cls, value: Any) -> Rule:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, or a rule of rules is broken.
        """
        fields = Fields(value, "rule")
        keys = fields.texts("keys")
        if not all(len(key) == 64 and _hex(key) for key in keys):
            raise StatementRefused("a rule's key is no SHA-256 in lower-case hex")
        out = cls(
            fields.text("evidence", most=40), fields.text("recipient", most=64), fields.integer("releases", least=1),
            frozenset(keys), _pcrs(fields.object("pcrs")), _texts(fields.object("measurements"), 16), fields.texts("tcb"),
            fields.hex("licence"), _texts(fields.object("claims"), MOST_CLAIMS),
        )  # fmt: skip
        fields.done()
        return out


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """An owner's word about one sealed asset.

    Attributes:
        owner: party. asset: 32 bytes, of the prelude. sequence: 1 and up; a broker takes no older one. begins, ends: when it counts.
        rules: 1 to 100; the first that fits decides.
    """

    owner: str
    asset: bytes
    sequence: int
    begins: datetime
    ends: datetime
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        if not OWNER.fullmatch(self.owner) or len(self.asset) != 32:
            raise StatementRefused("a release policy names its owner and a sealed asset")
        if not 1 <= len(self.rules) <= MOST_RULES or self.sequence < 1 or self.begins >= self.ends:
            raise StatementRefused(
                f"a release policy has 1 to {MOST_RULES} rules, a sequence, and ends after it begins"
            )

    def require_time(self, now: datetime) -> None:
        """Refuse outside its time.

        Raises:
            PolicyRefused: it does not count now.
        """
        if not self.begins <= now < self.ends:
            raise PolicyRefused(
                "the owner's release policy does not count now",
                why=f"from {self.begins:{_MOMENT}} to {self.ends:{_MOMENT}}, now {now:{_MOMENT}}",
                mend="the owner signs a new one",
            )

    def to_bytes(self) -> bytes:
        """Canonical JSON payload."""
        return canonical.to_bytes({
            "format": FORMAT, "owner": self.owner, "asset": self.asset.hex(), "sequence": self.sequence,
            "begins": f"{self.begins:{_MOMENT}}", "ends": f"{self.ends:{_MOMENT}}", "rules": [rule.to_json() for rule in self.rules],
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> ReleasePolicy:
        """Parse strictly.

        Raises:
            StatementRefused: malformed, too large, or not in its one form.
        """
        fields = Fields(canonical.from_bytes(data, what="release policy", max_bytes=MOST_BYTES), "release policy")
        if fields.integer("format") != FORMAT:
            raise StatementRefused("a release policy of another format", mend="a newer Countermark may read it")
        rules = fields.items("rules")
        if len(rules) > MOST_RULES:
            raise StatementRefused(f"a release policy of {len(rules)} rules", why=f"at most {MOST_RULES}")
        out = cls(
            fields.text("owner", most=64), bytes.fromhex(fields.hex("asset")), fields.integer("sequence", least=1),
            moment(fields.text("begins", most=20)), moment(fields.text("ends", most=20)), tuple(map(Rule.from_json, rules)),
        )  # fmt: skip
        fields.done()
        if out.to_bytes() != data:
            raise StatementRefused("a release policy is not in its one form")
        return out


def moment(text: str) -> datetime:
    """A moment in UTC, to the second.

    Raises:
        StatementRefused: not of the form 2026-01-31T12:00:00Z.
    """
    try:
        return datetime.strptime(text + "+0000", _MOMENT + "%z")
    except ValueError as error:
        raise StatementRefused(f"{text!r:.40} is no moment", mend="2026-01-31T12:00:00Z") from error


def check_claims(claims: Mapping[str, str]) -> None:
    """Refuse claims that no rule could name.

    Raises:
        StatementRefused: too many, or of another form.
    """
    if len(claims) > MOST_CLAIMS or not all(CLAIM.fullmatch(n) and len(v) == 64 and _hex(v) for n, v in claims.items()):
        raise StatementRefused(
            "claims are names of a-z and dashes, with a SHA-256 in hex each", mend="recipe, environment, policy"
        )


def _hex(text: str) -> bool:
    return not set(text) - set("0123456789abcdef")


def _texts(found: dict[str, Any], most: int) -> dict[str, str]:
    if len(found) > most or not all(isinstance(value, str) for value in found.values()):
        raise StatementRefused("a rule's names and values are too many, or no text")
    return found


def _pcrs(found: dict[str, Any]) -> dict[int, bytes]:
    if not all(at.isascii() and at.isdigit() and str(int(at[:3])) == at for at in found):
        raise StatementRefused("a PCR's number is a plain decimal")
    if not all(isinstance(value, str) and len(value) == 64 and _hex(value) for value in found.values()):
        raise StatementRefused("a PCR's value is a SHA-256 in lower-case hex")
    return {int(at): bytes.fromhex(value) for at, value in found.items()}
