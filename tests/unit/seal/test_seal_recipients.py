"""Who can open a container: HPKE, passphrases, the signed list, and a key released to an ephemeral one."""

from __future__ import annotations

import base64
import dataclasses

import pytest

from countermark import canonical, dsse
from countermark.errors import FormatRefused, StatementRefused, TrustRefused, Unusable
from countermark.keys.signer import generate as signing_key
from countermark.seal import hpke, passphrase, recipients, release
from countermark.seal.prelude import Prelude, derive, new_content_key, new_prelude
from countermark.seal.stanza import NO_LICENCE, Binding, Stanza

LICENCE = "ab" * 32
SEALER = "5e" * 32
WORDS = b"correct horse battery"


@pytest.fixture
def key() -> bytearray:
    return new_content_key()


@pytest.fixture
def prelude(key: bytearray) -> Prelude:
    return new_prelude(key, 3, SEALER)


def test_key_and_commitment_are_hkdf_of_the_content_key(key: bytearray) -> None:
    """RFC 5869 by hand: the second implementation."""
    import hmac

    asset = b"\x07" * 32
    prk = hmac.digest(asset, bytes(key), "sha256")
    info = b"countermark/seal/v1\x00\x01" + b"\x5e" * 32
    one = hmac.digest(prk, info + b"\x01", "sha256")
    two = hmac.digest(prk, one + info + b"\x02", "sha256")
    assert derive(key, asset, 1, b"\x5e" * 32) == (bytearray(one), two)
    assert derive(key, asset, 1, b"\x5f" * 32)[1] != two


@pytest.mark.parametrize("kind", [hpke.XWING, hpke.P256])
def test_hpke_opens_for_its_key_alone(kind: hpke.Kind, key: bytearray, prelude: Prelude) -> None:
    mine, other = hpke.generate(kind), hpke.generate(kind)
    said = recipients.first(prelude, key, [hpke.HpkeRecipient("plant-7", mine.public)], {"plant-7": LICENCE})
    assert recipients.content_key(said, prelude, mine)[0] == key
    with pytest.raises(TrustRefused, match="nobody sealed this file for that key"):
        recipients.content_key(said, prelude, other)
    stanza = said.stanzas[0]
    bound = stanza.bound(prelude)
    for change in ({"licence": NO_LICENCE}, {"recipient": "plant-8"}, {"asset": bytes(32)}, {"commit": bytes(32)}):
        with pytest.raises(TrustRefused, match="does not open"):
            mine.unwrap(stanza, dataclasses.replace(bound, **change))
    with pytest.raises(TrustRefused):
        other.unwrap(stanza, bound)


def test_every_byte_of_a_wrapped_key_counts(key: bytearray, prelude: Prelude) -> None:
    mine = hpke.generate()
    stanza = hpke.HpkeRecipient("a", mine.public).wrap(key, Binding(prelude.asset, prelude.commit, "a"))
    for at in range(len(stanza.wrapped)):
        broken = bytearray(stanza.wrapped)
        broken[at] ^= 1 << at % 8
        with pytest.raises(TrustRefused):
            mine.unwrap(dataclasses.replace(stanza, wrapped=bytes(broken)), stanza.bound(prelude))
    for cut in (0, 1, 31, 1119, 1135, len(stanza.wrapped) - 1):
        with pytest.raises(TrustRefused):
            mine.unwrap(dataclasses.replace(stanza, wrapped=stanza.wrapped[:cut]), stanza.bound(prelude))


def test_info_has_one_reading() -> None:
    one = Binding(bytes(32), bytes(32), "a").info(b"l")
    assert one == b"l\0" + bytes(64) + b"\0\1a" + bytes(32)
    with pytest.raises(StatementRefused):
        Binding(bytes(32), bytes(32), "a\0b")
    with pytest.raises(StatementRefused):
        Binding(bytes(32), bytes(32), "a", "AB" * 32)


def test_a_passphrase_opens_and_another_does_not(key: bytearray, prelude: Prelude) -> None:
    said = recipients.first(prelude, key, [passphrase.PassphraseRecipient(WORDS, 15)], {})
    assert recipients.content_key(said, prelude, passphrase.PassphraseIdentity(WORDS))[0] == key
    with pytest.raises(TrustRefused, match="does not open"):
        recipients.content_key(said, prelude, passphrase.PassphraseIdentity(WORDS + b"!"))


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(Unusable, match="11 bytes"):
        passphrase.PassphraseRecipient(b"x" * 11)


@pytest.mark.parametrize("log_n", [0, 1, 14, 19, 40, 63, 1 << 40])
def test_a_cost_out_of_bounds_is_refused_before_it_is_paid(
    log_n: int, key: bytearray, prelude: Prelude, monkeypatch: pytest.MonkeyPatch
) -> None:
    stanza = passphrase.PassphraseRecipient(WORDS, 15).wrap(key, Binding(prelude.asset, prelude.commit, "passphrase"))
    dear = dataclasses.replace(stanza, parameters={**stanza.parameters, "log-n": log_n})
    monkeypatch.setattr(passphrase, "Scrypt", None)
    with pytest.raises(StatementRefused, match="cost"):
        passphrase.PassphraseIdentity(WORDS).unwrap(dear, dear.bound(prelude))


def test_a_passphrase_stands_alone(key: bytearray, prelude: Prelude) -> None:
    words = passphrase.PassphraseRecipient(WORDS, 15)
    other = hpke.HpkeRecipient("b", hpke.generate().public)
    with pytest.raises(StatementRefused, match="alone"):
        recipients.first(prelude, key, [words, other], {})
    with pytest.raises(StatementRefused, match="alone"):
        recipients.first(prelude, key, [words], {}).with_one(other, key)


def test_versions_follow_each_other(key: bytearray, prelude: Prelude) -> None:
    a, b = hpke.generate(), hpke.generate(hpke.P256)
    one = recipients.first(prelude, key, [hpke.HpkeRecipient("a", a.public)], {})
    two = one.with_one(hpke.HpkeRecipient("b", b.public), key, LICENCE)
    assert (two.version, two.previous) == (2, canonical.sha256_hex(one.to_bytes()))
    assert recipients.content_key(two, prelude, b)[0] == key == recipients.content_key(two, prelude, a)[0]
    three = two.without("a")
    assert three.names == ("b",) and recipients.Recipients.from_bytes(three.to_bytes()) == three
    with pytest.raises(StatementRefused, match="0 recipients"):
        three.without("b")
    with pytest.raises(StatementRefused, match="in the list"):
        two.with_one(hpke.HpkeRecipient("b", b.public), key)
    with pytest.raises(StatementRefused, match="not in the list"):
        two.without("c")


def test_a_list_of_another_container_is_refused(key: bytearray, prelude: Prelude) -> None:
    mine = hpke.generate()
    said = recipients.first(prelude, key, [hpke.HpkeRecipient("a", mine.public)], {})
    with pytest.raises(FormatRefused, match="another sealed file"):
        recipients.content_key(said, new_prelude(key, 3, SEALER), mine)


def test_two_recipients_cannot_be_given_two_keys(key: bytearray, prelude: Prelude) -> None:
    """The invisible salamander: one list whose recipients would see different plaintexts."""
    mine = hpke.generate()
    bad = hpke.HpkeRecipient("a", mine.public).wrap(new_content_key(), Binding(prelude.asset, prelude.commit, "a"))
    said = recipients.Recipients(prelude.asset, prelude.commit, 1, None, (bad,))
    with pytest.raises(FormatRefused, match="commits to"):
        recipients.content_key(said, prelude, mine)


def test_parsing_is_strict(key: bytearray, prelude: Prelude) -> None:
    mine = hpke.generate()
    good = recipients.first(prelude, key, [hpke.HpkeRecipient("a", mine.public)], {})
    said = canonical.from_bytes(good.to_bytes())
    (one,) = said["recipients"]
    for change in (
        {"format": 2}, {"asset": "00"}, {"version": 0}, {"version": 2}, {"previous": "00" * 32}, {"recipients": []},
        {"recipients": [one, one]}, {"more": 1}, {"recipients": [{**one, "extra": 1}]}, {"recipients": [one] * 1001},
        {"recipients": [{**one, "recipient": "A b"}]}, {"recipients": [{**one, "kind": ""}]},
        {"recipients": [{**one, "wrapped": one["wrapped"] + "\n"}]}, {"recipients": [{**one, "licence": ""}]},
        {"recipients": [{**one, "parameters": {"a": 1.5}}]}, {"recipients": [{**one, "parameters": {"a": True}}]},
        {"recipients": [{**one, "parameters": {"a": "x" * 5000}}]}, {"recipients": [{**one, "wrapped": "A" * 12_000}]},
        {"recipients": [{**one, "parameters": {f"p{n}": 1 for n in range(17)}}]},
    ):  # fmt: skip
        with pytest.raises(StatementRefused):
            recipients.Recipients.from_bytes(canonical.to_bytes({**said, **change}))
    with pytest.raises(StatementRefused, match="one form"):
        recipients.Recipients.from_bytes(good.to_bytes().replace(b",", b", "))


def test_a_kind_of_tomorrow_leaves_others_openable(key: bytearray, prelude: Prelude) -> None:
    mine = hpke.generate()
    said = recipients.first(prelude, key, [hpke.HpkeRecipient("a", mine.public)], {})
    more = dataclasses.replace(said, stanzas=(*said.stanzas, Stanza("of-tomorrow", "b", "", b"?")))
    assert recipients.content_key(recipients.Recipients.from_bytes(more.to_bytes()), prelude, mine)[0] == key


def test_a_list_is_signed_as_other_evidence_is(key: bytearray, prelude: Prelude) -> None:
    signer = signing_key("statement")
    said = recipients.first(prelude, key, [hpke.HpkeRecipient("a", hpke.generate().public)], {})
    envelope = dsse.Envelope.from_bytes(said.signed([signer]).to_bytes())
    signer.public.verify(envelope.signed_bytes(), envelope.signatures[0].sig)
    assert recipients.Recipients.from_bytes(envelope.payload) == said


def test_a_broker_releases_to_an_ephemeral_key(key: bytearray, prelude: Prelude) -> None:
    broker, guest, thief = hpke.generate(hpke.P256), hpke.generate(), hpke.generate()
    said = recipients.first(prelude, key, [hpke.HpkeRecipient("broker", broker.public)], {})
    copy = release.released(said, prelude, broker, guest.public, recipient="plant-7", licence=LICENCE)
    assert release.taken(copy, prelude, guest, recipient="plant-7", licence=LICENCE) == key
    for who, name, licence, of in (
        (thief, "plant-7", LICENCE, prelude), (guest, "plant-8", LICENCE, prelude),
        (guest, "plant-7", NO_LICENCE, prelude), (guest, "plant-7", LICENCE, new_prelude(key, 3, SEALER)),
    ):  # fmt: skip
        with pytest.raises(TrustRefused, match="does not open"):
            release.taken(copy, of, who, recipient=name, licence=licence)


def test_a_broker_keeps_to_the_licence_that_its_own_copy_names(key: bytearray, prelude: Prelude) -> None:
    broker, guest = hpke.generate(), hpke.generate()
    said = recipients.first(prelude, key, [hpke.HpkeRecipient("broker", broker.public)], {"broker": LICENCE})
    assert release.released(said, prelude, broker, guest.public, recipient="a", licence=LICENCE)
    with pytest.raises(TrustRefused, match="another licence"):
        release.released(said, prelude, broker, guest.public, recipient="a", licence="cd" * 32)


@pytest.mark.parametrize("kind", [hpke.XWING, hpke.P256])
def test_bytes_that_are_no_key_are_refused(kind: hpke.Kind) -> None:
    with pytest.raises(FormatRefused):
        hpke.SealingKey(kind, b"\xff" * hpke.PUBLIC_BYTES[kind])
    with pytest.raises(FormatRefused):
        hpke.SealingKey(kind, b"")


def test_reprs_show_no_secret(key: bytearray) -> None:
    assert repr(passphrase.PassphraseRecipient(WORDS)) == "PassphraseRecipient()"
    assert "horse" not in repr(passphrase.PassphraseIdentity(WORDS))
    assert base64.b64encode(bytes(key)).decode() not in repr(Stanza("k", "a", "", bytes(key)))
