"""A broker as the anchor of a licence's state: a restored or edited state is noticed, and one host's end is enforced where it does not reach.

What the broker holds is believed by its signature under a fresh nonce, with the key that the licence names, whoever carries the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from countermark.errors import LedgerRefused
from countermark.keys.signer import Signer
from countermark.ledger.note import NoteKey
from countermark.licence.anchors import Anchored
from countermark.licence.metered import Asked, Held, Step, held
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_host import HostBinding

Send = Callable[[bytes], bytes]
"""Carries a request to the broker and brings its answer back. Raises Unusable where it does not answer, LicenceRefused where it refuses."""


class BrokerAnchor:
    """`Anchor` by the broker that a licence names.

    Args:
        send: to the broker. key: its verifying key. licence: payload digest of the owner's grant, hex. signer: this host's key.
    """

    def __init__(self, send: Send, key: NoteKey, licence: str, signer: Signer) -> None:
        self._send, self._key, self._licence, self._signer = send, key, licence, signer
        self._last: Held | None = None

    @property
    def name(self) -> str:
        """For people, and in the state: the broker, and its key, so that another one of that name is another anchor."""
        return named(self._key)

    @property
    def host(self) -> str:
        """Id of this host's key, hex."""
        return self._signer.public.id

    def read(self) -> Anchored:
        """What the broker holds now.

        Raises:
            LicenceRefused: ``state``: this host's meter was ended there, the broker does not know it, or its answer does not hold.
            Unusable: the broker does not answer.
        """
        found, _ = self._ask(None)
        if found.ended:
            raise LicenceRefused("state", expected=f"a meter that goes on at {self.name}", seen="one that was ended there",
                                 mend="ask the licensor: the licence was moved or revoked")  # fmt: skip
        self._last = found
        return Anchored(found.count, found.head, found.at)

    def advance(self, entry: bytes) -> Anchored:
        """Register one state more.

        Raises:
            As `read`; LicenceRefused: another process or a copy of this host was first.
        """
        before = self._last or self._ask(None)[0]
        found, _ = self._ask(Step(before.count + 1, before.head, entry))
        self._last = found
        return Anchored(found.count, found.head, found.at)

    def end(self) -> bytes:
        """Have the broker refuse this host from now on; its signed note says so.

        Raises:
            As `read`.
        """
        found, note = self._ask(None, end=True)
        if not found.ended:
            raise LicenceRefused("state", expected="a meter that was ended", seen=f"one that goes on at {self.name}",
                                 mend="give it back again; where it goes on, its operator ends it (`countermark broker meter FILE --end`)")  # fmt: skip
        return note

    def _ask(self, step: Step | None, *, end: bool = False) -> tuple[Held, bytes]:
        nonce = secrets.token_bytes(32)
        asked = Asked(self._licence, nonce, step, end, self._signer.public).signed(self._signer)
        answer = self._send(asked.to_bytes())
        try:
            return held(answer, self._key, self._licence, self._signer.public.id, nonce), answer
        except LedgerRefused as error:
            raise LicenceRefused("state", expected=f"a fresh word of {self.name}", seen=error.what,
                                 mend="ask the broker that the licence names (`countermark license explain`)") from error  # fmt: skip


def named(key: NoteKey) -> str:
    """A broker, for people and in states."""
    return f"broker {key.name.rpartition('/')[2]:.64} ({key.id.hex()})"


def broker_of(binding: HostBinding | None) -> NoteKey | None:
    """The broker that a licence names, or None.

    Raises:
        LedgerRefused: its key is malformed.
    """
    return NoteKey.from_vkey(binding.broker) if binding is not None and binding.broker else None


def refuse_going_on(proof: bytes, broker: NoteKey, licence: str, host: str) -> None:
    """Refuse a licence to be granted anew before its broker took the old host's meter away.

    Args:
        proof: the broker's note, as `BrokerAnchor.end` gave it. licence: payload digest of the owner's grant, hex. host: id of the key, hex.

    Raises:
        LicenceRefused: ``state``: the broker does not say so.
    """
    try:
        ended = held(proof, broker, licence, host, None).ended
    except LedgerRefused as error:
        raise LicenceRefused("state", expected=f"the word of {named(broker)} that the old host's meter ended", seen=error.what,
                             mend="give it back with the broker at hand: `countermark license move FILE --broker URL --out receipt`") from error  # fmt: skip
    if not ended:
        raise LicenceRefused("state", expected="a meter that was ended", seen="one that goes on",
                             mend="the licensee gives it back with the broker at hand: `countermark license move FILE --broker URL --out receipt`")  # fmt: skip


def refuse_others_going_on(binding: HostBinding | None, host: str) -> None:
    """A receipt holds the broker's word on one host: it must be the licence's own, and its only one, or another goes on beside the new one.

    Args:
        binding: of the licence that is given back. host: id of the key whose meter ended, hex.

    Raises:
        LicenceRefused: ``state``: the licence names other keys.
    """
    keys = {key.id for key in binding.keys} if binding else set()
    if keys != {host}:
        raise LicenceRefused("state", expected=f"the broker's word on every host that the licence names ({len(keys)})", seen=f"on {host[:16]} alone",
                             mend="the operator ends the count of all (`countermark broker meter FILE --end`); then revoke the licence, and grant another")  # fmt: skip


def signer_for(binding: HostBinding, signers: Sequence[Signer]) -> Signer:
    """This host's key: the first that the licence names.

    Raises:
        LicenceRefused: it names none of these.
    """
    named_keys = {key.id for key in binding.keys}
    for signer in signers:
        if signer.public.id in named_keys:
            return signer
    raise LicenceRefused("host", expected="a host with a key that the licence names", seen="none here",
                         mend="use the host that the licence names, or ask to move it (`countermark license move`)")  # fmt: skip
