"""Addresses of witnesses come from a document that several owners sign: none of them stops a release with a crash."""

from __future__ import annotations

import socket

import pytest

from countermark.errors import Unusable
from countermark.ledger import asking


@pytest.mark.parametrize(
    "url",
    [
        "", "witness.invalid", "ftp://witness.invalid/", "https://", "https:///add", "https://witness.invalid/?key=1",
        "https://witness.invalid/#a", "http://witness.invalid/", "http://10.0.0.1/", "http://[::1", "http://127.0.0.1:99999/",
        "http://127.0.0.1:0x1/", "https://witness.invalid:port/", "http://[::ffff:10.0.0.1]/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_witness_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(Unusable, match=r"no address of the witness|outside loopback"):
        asking.exchange(url)


@pytest.mark.parametrize("url", ["https://a..b/", f"https://{'a' * 64}.invalid/", "https://xn--\udcff/"])
def test_a_name_that_no_resolver_takes_is_a_witness_that_does_not_answer(url: str) -> None:
    with pytest.raises(Unusable, match=r"does not answer|no address of the witness"):
        asking.exchange(url, 0.5)(b"old 0\n\n")


@pytest.mark.parametrize("path", ["/\N{LATIN SMALL LETTER E WITH ACUTE}", "/a b", "/a\x7f"])
def test_a_path_that_no_request_can_carry_is_a_witness_that_does_not_answer(path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}{path}"
        with pytest.raises(Unusable, match=r"does not answer|no address of the witness"):
            asking.exchange(url, 0.5)(b"old 0\n\n")
