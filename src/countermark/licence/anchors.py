"""What a licence may lean on outside this machine's files: a clock, a counter and proofs of the host, all by protocol.

A software licence keeps its state in files that the host's owner can restore. Whoever implements these protocols (a TPM, a
broker) keeps a part of that state where he cannot. Nothing here is secret, and nothing here speaks to a device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from countermark.statement.predicates.licence_host import HostBinding, Kind

ZERO = bytes(32)
"""Head of a chain that has no entry yet, as a TPM has it in a fresh index of the type TPM2_NT_EXTEND."""


def extended(head: bytes, entry: bytes) -> bytes:
    """The head after one more entry: SHA-256(head || entry), as TPM2_NV_Extend computes it.

    Args:
        head: 32 bytes, `ZERO` at the beginning. entry: 32 bytes, SHA-256 of what is entered.
    """
    return hashlib.sha256(head + entry).digest()


@dataclass(frozen=True, slots=True)
class Anchored:
    """What an anchor holds.

    Attributes:
        count: how often it was advanced, as far as it says so; it never falls. 0 means never.
        head: 32 bytes, `extended` from `ZERO` by every entry in order; None where the element only counts. With a head, a state
            that was restored *or edited* is noticed; with a count alone, only one that was restored as it was. at: POSIX seconds by the
            element's own clock, freshly told; None where it tells none.
    """

    count: int
    head: bytes | None = None
    at: int | None = None


class Anchor(Protocol):
    """A counter that nobody turns back: an NV index of a TPM (best of the type TPM2_NT_EXTEND, beside a counter), or a broker.

    One anchor belongs to one root licence on one host: what several hosts use together, each draws from an anchor of its own.
    `advance` returns only after the new value is durable, and advances exactly once or raises. It is called under the lock of
    the licence's state.
    """

    @property
    def name(self) -> str:
        """For people: ``"TPM NV index 0x1500016"``, ``"broker vault.example"``."""

    def read(self) -> Anchored:
        """What it holds now.

        Raises:
            Unusable: it cannot be reached. MissingExtra: its library is absent.
        """

    def advance(self, entry: bytes) -> Anchored:
        """Enter 32 bytes: count + 1, and head = `extended(head, entry)` where it keeps one.

        Raises:
            As `read`.
        """


@dataclass(frozen=True, slots=True)
class Ticks:
    """A reading of a chip's clock (TPM2_ReadClock: TPMS_TIME_INFO).

    Attributes:
        milliseconds: powered-on time; never falls while `resets` stays. resets: of the chip (resetCount), which never falls.
        safe: whether no smaller value can have been reported before (TPMS_CLOCK_INFO.safe).
        chip: names the chip (SHA-256 of its endorsement key, hex), so that another one is noticed.
    """

    milliseconds: int
    resets: int
    safe: bool
    chip: str


class TrustedClock(Protocol):
    """A clock that the host's owner cannot set back. It counts powered-on time only, and its owner may set it forward."""

    @property
    def name(self) -> str:
        """For people: ``"TPM clock"``."""

    def ticks(self) -> Ticks:
        """Read it.

        Raises:
            Unusable: it cannot be reached. MissingExtra: its library is absent.
        """


class HostProver(Protocol):
    """Answers a challenge on the host: a key that signs, a TPM that quotes, a TEE that reports."""

    def prove(self, binding: HostBinding, challenge: bytes) -> bytes:
        """Evidence over a challenge.

        Args:
            binding: what the licence asks for. challenge: 32 bytes, fresh, made by `host.challenge`.

        Raises:
            Unusable, MissingExtra: the element cannot be used. LicenceRefused: this host has nothing that fits.
        """


class EvidenceVerifier(Protocol):
    """Checks evidence of one kind of binding; for keys it is here, for TPM and TEE the trusted elements bring it."""

    def verify(self, binding: HostBinding, evidence: bytes, challenge: bytes) -> str:
        """Verify, and name the host.

        Args:
            binding: of the licence: names EK, AK and PCR values, or measurements. evidence: foreign bytes, bounded by the verifier.
            challenge: 32 bytes that must stand in the evidence (qualifyingData of a quote, reportData of a TEE).

        Returns:
            The host's name as evidence shows it: id of the key that signed, hex; counts towards ``max_hosts``.

        Raises:
            Refusal: the evidence does not hold.
        """


@dataclass(frozen=True, slots=True)
class Elements:
    """What of this host takes part.

    Attributes:
        anchor, clock: None where there is none. provers, verifiers: by kind of binding.
    """

    anchor: Anchor | None = None
    clock: TrustedClock | None = None
    provers: Mapping[Kind, HostProver] = field(default_factory=dict)
    verifiers: Mapping[Kind, EvidenceVerifier] = field(default_factory=dict)
