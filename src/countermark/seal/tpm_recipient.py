"""A recipient that is a TPM 2.0: the content key sealed to the chip, under PCR values, a counter and a deadline of its clock.

Wrapping happens at that chip; its URI says what must hold: ``tpm:pcrs=7,16;epoch=0x01800001;minutes=4320`` seals to the values that the
PCRs and the counter have now, for so many minutes in which the chip has power. A software TPM is a test double and protects nothing.
"""

from __future__ import annotations

from countermark.errors import StatementRefused, Unusable
from countermark.keys import tpm_policy, tpm_seal
from countermark.keys.uri import KeyUri
from countermark.seal.registry import Pin
from countermark.seal.stanza import Binding, Identity, Parameter, Recipient, Stanza

KIND = "tpm-sealed"
_MINUTE = 60_000
_DIGITS = 10


class TpmRecipient:
    """Whoever runs the machine of one TPM while what was agreed holds there.

    Args:
        name: in the list. where: leads to the TPM. policy: what must hold.
    """

    kind = KIND

    def __init__(self, name: str, where: KeyUri, policy: tpm_policy.TpmPolicy) -> None:
        self.name, self._where, self._policy = name, where, policy

    def wrap(self, content_key: bytearray, bound: Binding) -> Stanza:
        """A copy of the content key, sealed to the chip.

        Raises:
            Unusable: the TPM refuses. MissingExtra: its library is absent.
        """
        blob = tpm_seal.seal(self._where, bytes(content_key), self._policy)
        parameters: dict[str, Parameter] = {**self._policy.to_parameters()}
        return Stanza(KIND, self.name, tpm_seal.root_id(self._where), blob, bound.licence, parameters)


class TpmIdentity:
    """A TPM that may open what was sealed to it."""

    def __init__(self, where: KeyUri) -> None:
        self._where, self._root = where, tpm_seal.root_id(where)

    def __repr__(self) -> str:
        return f"TpmIdentity(id={self._root[:16]!r})"

    def opens(self, stanza: Stanza) -> bool:
        """Whether a stanza names this chip's storage root."""
        return (stanza.kind, stanza.key) == (KIND, self._root)

    def unwrap(self, stanza: Stanza, bound: Binding) -> bytearray:
        """The content key.

        Raises:
            TrustRefused: a condition does not hold, another TPM, or changed. StatementRefused: malformed. Unusable: no TPM.
        """
        return tpm_seal.unseal(self._where, stanza.wrapped, tpm_policy.TpmPolicy.from_parameters(stanza.parameters))


def recipient(where: KeyUri, name: str, pin: Pin) -> Recipient:
    """The recipient that a URI names, under the conditions as they are now.

    Raises:
        Unusable: no TPM, no condition, or one that it does not keep. MissingExtra: the library is absent.
    """
    return TpmRecipient(name, where, _conditions(where))


def identity(where: KeyUri, pin: Pin) -> Identity:
    """The TPM that a URI leads to.

    Raises:
        As `recipient`.
    """
    return TpmIdentity(where)


def _conditions(where: KeyUri) -> tpm_policy.TpmPolicy:
    from countermark.keys import tpm_quote

    pcrs, index, minutes = where.one("pcrs"), where.one("epoch"), where.one("minutes")
    try:
        chosen = tuple(sorted({int(at) for at in pcrs.split(",")})) if pcrs else ()
        counter = int(index, 16) if index else None
        lease = int(minutes) if minutes else None
    except ValueError as error:
        raise Unusable("this TPM URI does not read", mend="tpm:pcrs=7,16;epoch=0x01800001;minutes=4320") from error
    if (
        any(not 0 <= at < tpm_policy.PCRS for at in chosen)
        or len(minutes) > _DIGITS
        or (lease is not None and lease < 1)
    ):
        raise Unusable("PCRs are 0 to 23, and a lease has a minute at least")
    try:
        return tpm_policy.TpmPolicy(
            tpm_quote.read_pcrs(where, chosen) if chosen else {},
            tpm_seal.read_clock(where) + lease * _MINUTE if lease else None,
            tpm_seal.read_epoch(where, counter) if counter else None,
        )
    except StatementRefused as error:
        raise Unusable(error.what, why=error.why, mend="name PCRs, an epoch or a lease") from error
