"""Containers whose recipients are a token or a TPM, with SoftHSM2 and swtpm, which are test doubles and protect nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import test_doubles
from test_doubles import PIN, at_token

from countermark.errors import StatementRefused, TrustRefused, Unusable
from countermark.keys import uri
from countermark.seal import hpke, recipients, registry
from countermark.seal.prelude import new_content_key, new_prelude

needs_softhsm = pytest.mark.skipif(not test_doubles.HAS_SOFTHSM, reason=test_doubles.NO_SOFTHSM)
needs_swtpm = pytest.mark.skipif(not test_doubles.HAS_SWTPM, reason=test_doubles.NO_SWTPM)


def nobody() -> None:
    raise AssertionError("the PIN is in a file")


@needs_softhsm
def test_a_container_opens_in_the_token_and_nowhere_else() -> None:
    from countermark.keys import pkcs11_wrap

    place = test_doubles.tokens()
    aes, pair, other = (at_token(place, name) for name in ("seal-kek", "seal-pair", "seal-other"))
    pkcs11_wrap.make_wrapping_key(uri.parse(aes), PIN.encode())
    pkcs11_wrap.make_wrapping_key(uri.parse(other), PIN.encode())
    pkcs11_wrap.make_agreement_key(uri.parse(pair), PIN.encode())
    key = new_content_key()
    prelude = new_prelude(key, 3, "5e" * 32)
    to = [registry.recipient_at(aes, "hsm-aes", nobody), registry.recipient_at(pair, "hsm-pair", nobody)]
    said = recipients.Recipients.from_bytes(recipients.first(prelude, key, to, {}).to_bytes())
    assert [s.kind for s in said.stanzas] == ["pkcs11-aes-kw", hpke.P256]
    for where in (aes, pair):
        identity = registry.identity_at(where, nobody)
        assert recipients.content_key(said, prelude, identity)[0] == key
        assert PIN not in repr(identity)
    with pytest.raises(TrustRefused, match="nobody sealed this file for that key"):
        recipients.content_key(said, prelude, registry.identity_at(other, nobody))
    bent = dataclasses.replace(said.stanzas[0], wrapped=said.stanzas[0].wrapped[:-1] + b"\0")
    with pytest.raises(TrustRefused):
        registry.identity_at(aes, nobody).unwrap(bent, bent.bound(prelude))
    with pytest.raises(TrustRefused):
        registry.identity_at(pair, nobody).unwrap(
            said.stanzas[1], dataclasses.replace(said.stanzas[1].bound(prelude), recipient="else")
        )


@needs_swtpm
def test_a_container_opens_at_its_tpm_until_the_epoch_is_stepped(tmp_path: Path) -> None:
    from countermark.keys import tpm_seal

    key = new_content_key()
    prelude = new_prelude(key, 3, "5e" * 32)
    with test_doubles.software_tpm(tmp_path / "tpm") as where, test_doubles.software_tpm(tmp_path / "second") as second:
        chip = uri.parse(f"tpm:handle=0x81010001?{where}")
        tpm_seal.make_epoch(chip, 0x01800001)
        mine = registry.recipient_at(f"tpm:pcrs=7,16;epoch=0x01800001;minutes=60?{where}", "plant-7", nobody)
        theirs = registry.recipient_at(f"tpm:pcrs=7?{second}", "plant-8", nobody)
        said = recipients.Recipients.from_bytes(recipients.first(prelude, key, [theirs, mine], {}).to_bytes())
        identity = registry.identity_at(f"tpm:handle=0x81010001?{where}", nobody)
        assert recipients.content_key(said, prelude, identity)[0] == key  # its own stanza, not the first one
        weaker = dataclasses.replace(said.stanzas[1], parameters={"deadline": 1 << 50})
        with pytest.raises(TrustRefused):
            identity.unwrap(weaker, weaker.bound(prelude))
        with pytest.raises(StatementRefused):
            identity.unwrap(dataclasses.replace(weaker, parameters={}), weaker.bound(prelude))
        tpm_seal.step_epoch(chip, 0x01800001)
        with pytest.raises(TrustRefused):
            recipients.content_key(said, prelude, identity)
        for text in ("tpm:pcrs=99", "tpm:pcrs=x", "tpm:handle=0x81010001", "tpm:minutes=0", "tpm:minutes=99999999999"):
            with pytest.raises(Unusable):
                registry.recipient_at(f"{text}?{where}", "plant-9", nobody)
