"""Quotes of SGX enclaves and TDX domains, by `dcap-qvl` with stored collateral: bytes and a clock in, a report that holds or an exception out.

What a quote proves: an Intel platform at the named TCB level runs this enclave or domain. With physical access such platforms were broken (WireTap,
TEE.fail, 2025): treat it as input to a policy that ends, not as truth.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from countermark.errors import MissingExtra, SignatureRefused, TrustRefused

SGX, TDX = "sgx", "tdx"
MOST_QUOTE = 64 << 10
_DEBUG = {SGX: ("attributes", 1 << 1), TDX: ("td_attributes", 0xFF)}
Collateral = Callable[[str, str], bytes]
"""From ``sgx`` or ``tdx`` and a platform's FMSPC (hex) to the stored collateral, JSON. Raises Unusable where there is none."""


@dataclass(frozen=True, slots=True)
class Report:
    """A handle to a quote whose signatures hold.

    Attributes:
        kind: `SGX` or `TDX`. status: TCB level, as Intel names it. fields: of the report body; every kind of TDX report is flattened to its
            TD 1.0 part.
    """

    kind: str
    status: str
    fields: dict[str, Any] = field(repr=False)

    def measured(self, name: str) -> str:
        """A measurement, hex.

        Args:
            name: as in the report body: ``mr_td``, ``mr_enclave``, ``isv_svn``...
        """
        value = self.fields[name]
        return value.to_bytes(2, "big").hex() if isinstance(value, int) else str(value)

    def refuse_debug(self) -> None:
        """Refuse an enclave or domain whose memory its host may read.

        Raises:
            TrustRefused: its debug attribute is set.
        """
        name, bits = _DEBUG[self.kind]
        if bytes.fromhex(str(self.fields[name]))[0] & bits:
            raise TrustRefused(
                "the enclave or domain runs in debug mode",
                why="its host reads its memory",
                mend="build it for production",
            )

    def refuse_other_data(self, binding: bytes) -> None:
        """Refuse a quote that was made for something else.

        Args:
            binding: 32 bytes, which must stand in the report data, and 32 zero bytes after them.

        Raises:
            TrustRefused: other data stands there.
        """
        if not hmac.compare_digest(str(self.fields["report_data"]), (binding + bytes(32)).hex()):
            raise TrustRefused("the quote is not for this request", why=f"expected report data {binding.hex()} and 32 zero bytes",
                               mend="it is stale or replayed: ask for a new challenge")  # fmt: skip


def verified(quote: bytes, kinds: tuple[str, ...], now: int, collateral: Collateral) -> Report:
    """Verify a quote's signatures and the platform's collateral.

    Args:
        quote: foreign bytes. kinds: that are taken. now: POSIX seconds; expired collateral is refused.

    Raises:
        SignatureRefused: it does not verify, or is too large. TrustRefused: of another kind. MissingExtra: dcap-qvl is absent. Unusable: no
            collateral for the platform.
    """
    try:
        import dcap_qvl
    except ImportError as error:
        raise MissingExtra("quotes of enclaves need dcap-qvl", mend="pip install 'countermark[attest]'") from error

    if len(quote) > MOST_QUOTE:
        raise SignatureRefused(f"a quote of {len(quote)} bytes", why=f"at most {MOST_QUOTE} are read")
    try:
        parsed = dcap_qvl.parse_quote(quote)
        kind = SGX if parsed.is_sgx() else TDX
        if kind not in kinds:
            raise TrustRefused(
                "the quote is of another kind of enclave", why=f"expected {' or '.join(kinds)}, seen {kind}"
            )
        stored = dcap_qvl.QuoteCollateralV3.from_json(collateral(kind, parsed.fmspc().lower()).decode())
        found = json.loads(dcap_qvl.verify(quote, stored, now).to_json())
    except ValueError as error:
        raise SignatureRefused("the enclave's quote does not verify", why=str(error)[:300],
                               mend="newer collateral may be needed (`dcap-qvl` fetches it; a broker keeps it: `countermark broker collateral`)") from error  # fmt: skip
    (report,) = found["report"].values()
    while "base" in report:
        report = {**report.pop("base"), **report}
    return Report(kind, str(found["status"]), report)
