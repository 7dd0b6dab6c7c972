"""Content keys and a token, with SoftHSM2 (a test double, which protects nothing) started here: what it does, what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import test_doubles
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from test_doubles import PIN, at_token

from countermark.errors import TrustRefused, Unusable
from countermark.keys import hpke_p256, uri

pytestmark = pytest.mark.skipif(not test_doubles.HAS_SOFTHSM, reason=test_doubles.NO_SOFTHSM)
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def tokens() -> Path:
    return test_doubles.tokens()


@pytest.fixture(scope="module")
def made(tokens: Path):
    """A wrapping key and an agreement key."""
    from countermark.keys import pkcs11_wrap as wrap

    pin = PIN.encode()
    return (
        wrap.make_wrapping_key(uri.parse(at_token(tokens, "kek")), pin),
        wrap.make_agreement_key(uri.parse(at_token(tokens, "agree")), pin),
    )


def test_a_content_key_is_wrapped_and_unwrapped_in_the_token(made, tokens: Path) -> None:
    from countermark.keys import pkcs11_wrap as wrap

    wrapped = made[0].wrap(KEY)
    assert len(wrapped) == 40 and KEY[:8] not in wrapped
    assert wrap.open_wrapping_key(uri.parse(at_token(tokens, "kek")), PIN.encode()).unwrap(wrapped) == KEY
    assert PIN not in repr(made[0]) and PIN not in repr(made[1])


def test_every_changed_bit_length_and_other_key_is_refused(made, tokens: Path) -> None:
    from countermark.keys import pkcs11_wrap as wrap

    wrapped = made[0].wrap(KEY)
    for at in range(0, 8 * len(wrapped), 7):
        bent = bytearray(wrapped)
        bent[at // 8] ^= 1 << at % 8
        with pytest.raises(TrustRefused, match="another key, or was changed"):
            made[0].unwrap(bytes(bent))
    for other in (b"", wrapped[:-8], wrapped + bytes(8), bytes(40), aes_key_wrap(os.urandom(32), KEY)):
        with pytest.raises(TrustRefused, match="another key, or was changed"):
            made[0].unwrap(other)
    second = wrap.make_wrapping_key(uri.parse(at_token(tokens, "kek-2")), PIN.encode())
    with pytest.raises(TrustRefused, match="another key, or was changed"):
        second.unwrap(wrapped)
    for wrong in (b"", KEY[:16], KEY + KEY):
        with pytest.raises(Unusable, match="32 bytes"):
            made[0].wrap(wrong)


def test_nothing_reads_the_wrapping_or_agreement_key(made, tokens: Path) -> None:
    import pkcs11

    from countermark.keys.pkcs11_session import only, session

    for label, kind in (("kek", pkcs11.ObjectClass.SECRET_KEY), ("agree", pkcs11.ObjectClass.PRIVATE_KEY)):
        where = uri.parse(at_token(tokens, label))
        with session(where, PIN.encode(), write=True) as opened:
            key = only(opened, where, kind)
            with pytest.raises(pkcs11.AttributeSensitive):
                key[pkcs11.Attribute.VALUE]
            with pytest.raises(pkcs11.PKCS11Error):
                key[pkcs11.Attribute.EXTRACTABLE] = True
            kek = opened.generate_key(pkcs11.KeyType.AES, 256, store=False)
            with pytest.raises(pkcs11.PKCS11Error):
                kek.wrap_key(key, mechanism=pkcs11.Mechanism.AES_KEY_WRAP_PAD)
            for denied in ("encrypt", "decrypt", "sign"):
                assert not hasattr(key, denied)


def test_a_key_that_could_be_read_out_is_not_taken(tokens: Path) -> None:
    """Both the imported key and the one made extractable: the token tells them apart from one that was made locked."""
    import pkcs11

    from countermark.keys import pkcs11_wrap as wrap
    from countermark.keys.pkcs11_session import session

    flags = pkcs11.MechanismFlag.WRAP | pkcs11.MechanismFlag.UNWRAP
    with session(uri.parse(at_token(tokens, "x")), PIN.encode(), write=True) as opened:
        opened.generate_key(pkcs11.KeyType.AES, 256, label="soft", id=b"soft", store=True, capabilities=flags,
                            template={pkcs11.Attribute.EXTRACTABLE: True, pkcs11.Attribute.SENSITIVE: False})  # fmt: skip
        opened.create_object({
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
            pkcs11.Attribute.VALUE: KEY, pkcs11.Attribute.TOKEN: True, pkcs11.Attribute.LABEL: "imported",
            pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.UNWRAP: True,
        })  # fmt: skip
    for label in ("soft", "imported"):
        with pytest.raises(Unusable, match="could be read out"):
            wrap.open_wrapping_key(uri.parse(at_token(tokens, label)), PIN.encode())


def test_what_was_sealed_to_the_token_is_opened_there(made, tokens: Path) -> None:
    from countermark.keys import pkcs11_wrap as wrap

    agreement = made[1]
    suite = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    sealed = suite.encrypt(KEY, hpke_p256.point(agreement.public), b"asset 1")
    assert agreement.open_sealed(sealed, b"asset 1") == KEY
    again = wrap.open_agreement_key(uri.parse(at_token(tokens, "agree")), PIN.encode())
    assert again.public == agreement.public and again.open_sealed(sealed, b"asset 1") == KEY
    with again.held() as opened:
        assert again.opened_in(opened, sealed, b"asset 1") == KEY
    other = wrap.make_agreement_key(uri.parse(at_token(tokens, "agree", token="other")), PIN.encode())
    bent = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for key, text, info in (
        (agreement, sealed, b"asset 2"),
        (agreement, bent, b"asset 1"),
        (agreement, sealed[:64], b"asset 1"),
        (other, sealed, b"asset 1"),
    ):
        with pytest.raises(TrustRefused):
            key.open_sealed(text, info)


def test_what_a_token_refuses_is_said_with_a_mend(made, tokens: Path) -> None:
    from countermark.keys import pkcs11_wrap as wrap

    good, pin = uri.parse(at_token(tokens, "kek")), PIN.encode()
    for act, where, secret, match in (
        (wrap.open_wrapping_key, good, b"0000-wrong", "PIN is wrong"),
        (wrap.open_wrapping_key, uri.parse(at_token(tokens, "nobody")), pin, "0 secret keys"),
        (wrap.open_wrapping_key, uri.parse(at_token(tokens, "kek", token="absent")), pin, "0 tokens"),
        (wrap.make_wrapping_key, good, pin, "already"),
        (wrap.make_agreement_key, uri.parse(at_token(tokens, "agree")), pin, "already"),
        (wrap.open_agreement_key, uri.parse(at_token(tokens, "kek")), pin, "0 private keys"),
    ):
        with pytest.raises(Unusable, match=match) as caught:
            act(where, secret)
        assert caught.value.mend and PIN not in str(caught.value)
