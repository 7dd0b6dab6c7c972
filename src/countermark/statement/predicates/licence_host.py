"""Which hosts a licence is bound to: none, keys, a TPM's identity and PCR values, or measurements of a TEE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from countermark.canonical import Fields
from countermark.errors import StatementRefused
from countermark.keys.verifier import PublicKey

Kind = Literal["none", "software-key", "pkcs11-key", "tpm", "tee"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_HOSTS, MOST_PCRS, MOST_MEASUREMENTS, LAST_PCR = 64, 24, 64, 23
NV_FIRST, NV_LAST = 0x01800000, 0x01BFFFFF  # the owner's range; TCG Registry of Reserved TPM 2.0 Handles
_NAME_BYTES = 34  # of a TPM object: algorithm (000b) and SHA-256; TCG TPM 2.0 Library, part 1, section 16
_VKEY = re.compile(r"[!-*,-~]{1,100}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}")  # C2SP signed-note: NAME+ID+KEY, Ed25519
_MEASUREMENT = re.compile(r"(?:tdx-mrtd|sgx-mrenclave|sgx-mrsigner|sev-snp):[0-9a-f]{64,128}")


@dataclass(frozen=True, slots=True)
class HostBinding:
    """One kind of binding. Kinds are not comparable, except that ``none`` asks for nothing.

    Attributes:
        keys: software-key, pkcs11-key: public keys (use ``licence``), one a host. Whether a key lies in a token cannot be told
            from its signatures: the licensor saw to it when it took the key. broker: software-key, pkcs11-key: verifying key (C2SP vkey)
            of the broker that each host's state is anchored in, by which a state that is gone, older or edited is noticed; "" for none.
        ek: tpm: SHA-256 of the endorsement key's SubjectPublicKeyInfo, hex. ak: tpm: name of the attestation key, hex.
        pcrs: tpm: index and SHA-256 value, hex. counter: tpm: index of an NV counter and its value when the licence was granted, by which
            a state that is gone or older is noticed; None where nothing is anchored. measurements: tee: ``KIND:HEX``.
    """

    kind: Kind
    keys: tuple[PublicKey, ...] = ()
    ek: str = ""
    ak: str = ""
    pcrs: tuple[tuple[int, str], ...] = ()
    counter: tuple[int, int] | None = None
    measurements: frozenset[str] = frozenset()
    broker: str = ""

    def hosts(self) -> int | None:
        """How many hosts it names; None where it does not say."""
        return {"software-key": len(self.keys), "pkcs11-key": len(self.keys), "tpm": 1}.get(self.kind)

    def to_json(self) -> dict[str, Any]:
        """JSON object: the kind, and that kind's fields alone."""
        out: dict[str, Any] = {"kind": self.kind}
        if self.kind in ("software-key", "pkcs11-key"):
            out["keys"] = [key.to_json() for key in self.keys]
            out |= {"broker": self.broker} if self.broker else {}
        if self.kind == "tpm":
            out |= {"ek": self.ek, "ak": self.ak, "pcrs": {str(index): value for index, value in self.pcrs}}
            out |= {"counter": {"index": self.counter[0], "value": self.counter[1]}} if self.counter else {}
        if self.kind == "tee":
            out["measurements"] = sorted(self.measurements)
        return out

    @classmethod
    def from_json(cls, value: Any) -> HostBinding:
        """Parse strictly.

        Raises:
            StatementRefused, SignatureRefused: malformed, an unknown kind, or fields of another kind.
        """
        fields = Fields(value, "licence: host")
        kind = _kind(fields.text("kind", most=16))
        out = cls(kind)
        if kind in ("software-key", "pkcs11-key"):
            out = cls(kind, keys=_keys(fields.items("keys")), broker=_broker(fields.optional("broker")))
        if kind == "tpm":
            counter = _counter(fields.optional("counter"))
            out = cls(
                kind, ek=fields.hex("ek"), ak=fields.hex("ak", size=_NAME_BYTES), pcrs=_pcrs(fields), counter=counter
            )
        if kind == "tee":
            out = cls(kind, measurements=_measurements(fields.texts("measurements")))
        fields.done()
        return out


def _kind(seen: str) -> Kind:
    for kind in KINDS:
        if kind == seen:
            return kind
    raise StatementRefused(f"licence: host.kind is {seen!r:.40}", mend=f"one of {', '.join(KINDS)}")


def _keys(values: list[Any]) -> tuple[PublicKey, ...]:
    if not 1 <= len(values) <= MOST_HOSTS:
        raise StatementRefused(f"licence: host.keys names {len(values)} keys, 1 to {MOST_HOSTS} are taken")
    keys = tuple(PublicKey.from_json(value) for value in values)
    if {key.use for key in keys} != {"licence"} or len({key.id for key in keys}) != len(keys):
        raise StatementRefused("licence: host.keys holds a key twice, or one of another use than licence")
    return keys


def _broker(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or not _VKEY.fullmatch(value):
        raise StatementRefused(
            "licence: host.broker is no verifying key of a broker", mend="NAME+ID+KEY, as in its .vkey file"
        )
    return value


def _pcrs(fields: Fields) -> tuple[tuple[int, str], ...]:
    named = fields.object("pcrs")
    values = Fields(named, "licence: host.pcrs")
    if not 1 <= len(named) <= MOST_PCRS:
        raise StatementRefused(f"licence: host.pcrs names {len(named)} registers, 1 to {MOST_PCRS} are taken")
    if wrong := [n for n in named if not (n.isascii() and n.isdigit() and n == str(int(n[:3])) and int(n) <= LAST_PCR)]:
        raise StatementRefused(f"licence: host.pcrs cannot name {wrong[0]!r:.40}", mend=f"0 to {LAST_PCR}")
    return tuple((int(name), values.hex(name)) for name in sorted(named, key=int))


def _counter(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    fields = Fields(value, "licence: host.counter")
    out = fields.integer("index"), fields.integer("value", least=1)
    fields.done()
    if not NV_FIRST <= out[0] <= NV_LAST:
        raise StatementRefused(f"licence: host.counter.index is {out[0]:#x}", mend=f"{NV_FIRST:#x} to {NV_LAST:#x}")
    return out


def _measurements(values: tuple[str, ...]) -> frozenset[str]:
    if not 1 <= len(values) <= MOST_MEASUREMENTS:
        raise StatementRefused(f"licence: host.measurements holds {len(values)}, 1 to {MOST_MEASUREMENTS} are taken")
    for value in values:
        if not _MEASUREMENT.fullmatch(value):
            raise StatementRefused(
                f"licence: host.measurements cannot hold {value!r:.80}", mend="tdx-mrtd:HEX and such"
            )
    return frozenset(values)
