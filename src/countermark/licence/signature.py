"""The one key that must have signed, and whose it is: in a chain of licences no key of the trust document stands in for another."""

from __future__ import annotations

from countermark import dsse
from countermark.errors import SignatureRefused
from countermark.keys.verifier import PublicKey, verify_envelope

_SHOWN = 4


def refuse_other(envelope: dsse.Envelope, key: PublicKey, what: str, whose: str, mend: str) -> None:
    """Refuse an envelope that this key did not sign.

    Args:
        what: was signed, for people. whose: the key is. mend: what to do where another signed.

    Raises:
        SignatureRefused: another signed, or the signature does not verify.
    """
    named = [signature.keyid for signature in envelope.signatures]
    if key.id not in named and named != [""]:
        seen = ", ".join(one[:16] or "(none)" for one in named[:_SHOWN]) or "no signature"
        raise SignatureRefused(
            f"this {what} is not signed by {whose}", why=f"expected key {key.id[:16]}, seen {seen}", mend=mend
        )
    verify_envelope(envelope, {key.id: key})
