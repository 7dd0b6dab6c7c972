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


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for whole in (text, f"pkcs11:{text}", f"pkcs11:object=a?{text}", f"tpm:{text}"):
        try:
            parse(whole)
        except Unusable:
            continue
