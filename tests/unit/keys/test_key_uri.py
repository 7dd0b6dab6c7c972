"""URIs of keys: parsed strictly, and never with a secret in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import Unusable
from countermark.keys.uri import parse


def test_attributes_are_unescaped() -> None:
    uri = parse(
        "pkcs11:token=The%20token;object=acme%3bstatement;id=%01%ff?module-path=/usr/lib/p11.so&pin-source=file:/run/pin"
    )
    assert (uri.scheme, uri.one("token"), uri.one("object")) == ("pkcs11", "The token", "acme;statement")
    assert uri.path["id"] == b"\x01\xff" and uri.asked("module-path") == "/usr/lib/p11.so"
    assert uri.pin_file() == Path("/run/pin")
    assert parse("tpm:handle=0x81000001?tcti=swtpm:port=2321").asked("tcti") == "swtpm:port=2321"
    assert parse("pkcs11:token=a").pin_file() is None


@pytest.mark.parametrize(
    "text",
    ["", "pkcs11", "file:key.pem", "pkcs11:object", "pkcs11:object=", "pkcs11:colour=red", "pkcs11:object=a;object=b",
     "pkcs11:object=%4", "pkcs11:object=%zz", "tpm:object=a", "tpm:handle=0x81000001?module-path=/x.so", "pkcs11:object=a\n",
     "pkcs11:" + "object=a" * 999, "pkcs11:object=a??module-path=/x"],
)  # fmt: skip
def test_others_are_refused(text: str) -> None:
    if text == "pkcs11:object=a\n":
        assert parse(text).one("object") == "a"  # a file's last line ends
        return
    with pytest.raises(Unusable):
        parse(text)


@pytest.mark.parametrize("place", ["pkcs11:object=a?pin-value=1234", "pkcs11:pin-value=1234"])
def test_a_pin_in_the_uri_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(Unusable, match="PIN does not belong") as caught:
        parse(place)
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize("source", ["/run/pin", "file://host/pin", "|cat /etc/passwd", "https://pins.invalid/1"])
def test_pins_come_from_files_alone(source: str) -> None:
    with pytest.raises(Unusable, match="from a file only"):
        parse(f"pkcs11:object=a?pin-source={source}").pin_file()


def test_text_that_is_none() -> None:
    with pytest.raises(Unusable, match="UTF-8"):
        parse("pkcs11:object=%ff").one("object")


def test_a_key_of_a_service_is_named_as_the_service_names_it() -> None:
    arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    for text, key in (
        ("awskms:alias/acme/one", "alias/acme/one"),
        (f"awskms:{arn}", arn),
        ("hv:acme.one/12", "acme.one/12"),
    ):
        uri = parse(f"{text}?spki=AAAA")
        assert (uri.one("key"), uri.asked("spki"), uri.in_service, uri.pin_file()) == (key, "AAAA", True, None)
    assert not parse("pkcs11:token=a").in_service


@pytest.mark.parametrize(
    "text",
    ["awskms:", "awskms:a b", "awskms:key;token=x", "awskms:nobody:secret@alias", "awskms:alias/a?token=x", "awskms:a?spki=",
     "awskms:a?pin-source=file:p", "hv:", "hv:a/b/1", "hv:a/0", "hv:a/x", "hv:a%2f1", "hv:a?token=x", "gcpkms:a", "azurekms:a"],
)  # fmt: skip
def test_services_take_no_credentials_and_no_other_forms(text: str) -> None:
    with pytest.raises(Unusable):
        parse(text)


def test_a_keyless_signature_is_no_key() -> None:
    with pytest.raises(Unusable, match="no key that a trust document could enrol") as caught:
        parse("sigstore:")
    assert "oms sign" in caught.value.mend


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for whole in (text, f"pkcs11:{text}", f"pkcs11:object=a?{text}", f"tpm:{text}", f"awskms:{text}", f"hv:a?{text}"):
        try:
            parse(whole)
        except Unusable:
            continue
