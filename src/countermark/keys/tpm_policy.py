"""What a TPM must find before it gives a sealed key: PCR values, an epoch in an NV counter, a deadline of its clock.

Source: TCG TPM 2.0 Library, part 3 (TPM2_PolicyPCR, TPM2_PolicyCounterTimer, TPM2_PolicyNV). Computed here without a TPM, so
that whoever seals, or verifies what was sealed, needs none. All conditions hold together.

* PCR 16 and 23 can be reset by whoever runs the operating system; the boot chain (0 to 7) cannot without a reboot.
* The clock counts milliseconds in which the TPM has power. Its owner may set it forward, nobody back; after a loss of power
  without an orderly shutdown it may repeat up to the interval at which the chip stores it (at most 70 minutes, part 1, 36.3).
* The counter only grows: one increment ends every key that was sealed to the value before.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from countermark.canonical import Fields
from countermark.errors import StatementRefused, TrustRefused

SHA256 = 0x000B
PCRS = 24
_CC_PCR, _CC_COUNTER_TIMER, _CC_NV = 0x17F, 0x16D, 0x149
_LESS, _EQUAL = 5, 0
CLOCK_OFFSET = 8
"""Of the clock in TPMS_TIME_INFO, after the time since the last start."""
NV_FIRST, NV_LAST = 0x01000000, 0x01BFFFFF
_COUNTER_ATTRIBUTES = 0x0002 | 0x0010 | 0x00020000 | 0x00040000 | 0x02000000 | 0x20000000
"""OWNERWRITE, COUNTER, OWNERREAD, AUTHREAD, NO_DA, WRITTEN."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """A monotonic counter in a TPM's NV storage and the one value of it that counts.

    Attributes:
        index: NV index of the owner's range. value: 0 to 2**53 - 1.
    """

    index: int
    value: int

    def __post_init__(self) -> None:
        if not NV_FIRST <= self.index <= NV_LAST or not 0 <= self.value < 1 << 53:
            raise StatementRefused(f"{self.index:#x} with {self.value} is no epoch of a TPM", mend="0x01800001, say")

    @property
    def name(self) -> bytes:
        """The name of the index (part 1, section 16): what it is, digested, so that no other kind can stand in its place."""
        area = struct.pack(">IHIHH", self.index, SHA256, _COUNTER_ATTRIBUTES, 0, 8)
        return SHA256.to_bytes(2, "big") + hashlib.sha256(area).digest()


@dataclass(frozen=True, slots=True)
class TpmPolicy:
    """Conditions under which a TPM gives a key.

    Attributes:
        pcrs: index (0 to 23) of the SHA-256 bank -> value, 32 bytes. deadline: milliseconds of the TPM's clock before which it is
            given, or None. epoch: or None. At least one of the three.
    """

    pcrs: Mapping[int, bytes] = field(default_factory=dict)
    deadline: int | None = None
    epoch: Epoch | None = None

    def __post_init__(self) -> None:
        if not self.pcrs and self.deadline is None and self.epoch is None:
            raise StatementRefused("a TPM policy without a condition", why="anybody at the machine would get the key")
        if any(not 0 <= at < PCRS or len(value) != 32 for at, value in self.pcrs.items()):
            raise StatementRefused("a PCR is 0 to 23 and has 32 bytes")
        if self.deadline is not None and not 0 <= self.deadline < 1 << 53:
            raise StatementRefused(f"{self.deadline} is no deadline of a TPM's clock")

    @property
    def selection(self) -> bytes:
        """TPML_PCR_SELECTION of the PCRs, SHA-256 bank."""
        return selection(self.pcrs)

    @property
    def pcr_digest(self) -> bytes:
        """SHA-256 over the values in order of their index."""
        return pcr_digest(self.pcrs)

    def digest(self) -> bytes:
        """The policy as the TPM computes it, 32 bytes."""
        out = bytes(32)
        if self.pcrs:
            out = _extended(out, _CC_PCR, self.selection + self.pcr_digest)
        if self.deadline is not None:
            operand = struct.pack(">QHH", self.deadline, CLOCK_OFFSET, _LESS)
            out = _extended(out, _CC_COUNTER_TIMER, hashlib.sha256(operand).digest())
        if self.epoch is not None:
            operand = struct.pack(">QHH", self.epoch.value, 0, _EQUAL)
            out = _extended(out, _CC_NV, hashlib.sha256(operand).digest() + self.epoch.name)
        return out

    def to_parameters(self) -> dict[str, str | int]:
        """As a stanza carries it: `pcrs` as ``INDEX:HEX,...``, `deadline`, `epoch-index`, `epoch`; what is not asked for is absent."""
        out: dict[str, str | int] = {}
        if self.pcrs:
            out["pcrs"] = ",".join(f"{at}:{self.pcrs[at].hex()}" for at in sorted(self.pcrs))
        if self.deadline is not None:
            out["deadline"] = self.deadline
        if self.epoch is not None:
            out["epoch-index"], out["epoch"] = self.epoch.index, self.epoch.value
        return out

    @classmethod
    def from_parameters(cls, value: Mapping[str, str | int]) -> TpmPolicy:
        """Parse what `to_parameters` writes.

        Raises:
            StatementRefused: malformed.
        """
        fields = Fields(dict(value), "TPM policy")
        pcrs = _pcrs(fields.text("pcrs", most=PCRS * 70)) if "pcrs" in value else {}
        deadline = fields.integer("deadline") if "deadline" in value else None
        epoch = None
        if "epoch" in value or "epoch-index" in value:
            epoch = Epoch(fields.integer("epoch-index"), fields.integer("epoch"))
        fields.done()
        return cls(pcrs, deadline, epoch)


def selection(pcrs: Iterable[int]) -> bytes:
    """TPML_PCR_SELECTION of PCRs of the SHA-256 bank (part 2, 10.6.2)."""
    bits = sum(1 << at for at in set(pcrs))
    return struct.pack(">IHB", 1, SHA256, 3) + bits.to_bytes(3, "little")


def pcr_digest(pcrs: Mapping[int, bytes]) -> bytes:
    """SHA-256 over PCR values in order of their index."""
    return hashlib.sha256(b"".join(pcrs[at] for at in sorted(pcrs))).digest()


def extended(digest: bytes, before: bytes = bytes(32)) -> bytes:
    """The value of a PCR after it was extended with a SHA-256 digest.

    Raises:
        TrustRefused: not 32 bytes.
    """
    if len(digest) != 32:
        raise TrustRefused("a PCR is extended with a SHA-256 digest", why=f"{len(digest)} bytes")
    return hashlib.sha256(before + digest).digest()


def _pcrs(text: str) -> dict[int, bytes]:
    out: dict[int, bytes] = {}
    for part in text.split(","):
        index, _, value = part.partition(":")
        known = index.isascii() and index.isdigit() and len(index) <= 2 and len(value) == 64
        if not known or set(value) - set("0123456789abcdef") or int(index) in out:
            raise StatementRefused(f"{part!r:.80} is no PCR and its value", mend="16:64 hexadecimal digits")
        out[int(index)] = bytes.fromhex(value)
    return out


def _extended(policy: bytes, command: int, more: bytes) -> bytes:
    return hashlib.sha256(policy + command.to_bytes(4, "big") + more).digest()
