"""A TDX domain or SGX enclave behind the licence's protocols: which program this is, by a quote over the licence's challenge.

The prover asks Linux (configfs-tsm, from 6.7 on: Documentation/ABI/testing/configfs-tsm-report) and works inside a TDX domain alone; it was not tried
on hardware. The verifier was tried with sample quotes of `dcap-qvl`. AMD's SEV-SNP can be named in a licence and is not verified here: refused.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from countermark.errors import Refusal, TrustRefused, Unusable
from countermark.keys import enclave_quote
from countermark.keys.enclave_quote import MOST_QUOTE, SGX, TDX
from countermark.licence.refusal import LicenceRefused
from countermark.statement.predicates.licence_host import HostBinding

REPORTS = Path("/sys/kernel/config/tsm/report")
TCB = "UpToDate"
"""The one level that is taken: a licence has no claim for others."""
_FIELDS = {"tdx-mrtd": (TDX, "mr_td"), "sgx-mrenclave": (SGX, "mr_enclave"), "sgx-mrsigner": (SGX, "mr_signer")}
_MOST_COLLATERAL = 1 << 20


class TsmProver:
    """`HostProver` by the kernel of a confidential guest.

    Args:
        reports: folder of configfs-tsm.
    """

    def __init__(self, reports: Path = REPORTS) -> None:
        self._reports = reports

    def prove(self, binding: HostBinding, challenge: bytes) -> bytes:
        """A quote whose report data is the challenge and 32 zero bytes.

        Raises:
            LicenceRefused: ``host``: this is no confidential guest, or it may not ask for quotes.
        """
        if not self._reports.is_dir():
            raise LicenceRefused("host", expected="a quote of this TDX domain", seen=f"no {self._reports}",
                                 mend="run inside a TDX guest (Linux 6.7 or newer, `modprobe tdx_guest`, configfs mounted), or ask for a licence that is bound otherwise")  # fmt: skip
        try:
            with _entry(self._reports) as entry:
                (entry / "inblob").write_bytes(challenge + bytes(32))
                with (entry / "outblob").open("rb") as file:
                    return file.read(MOST_QUOTE + 1)
        except OSError as error:
            raise LicenceRefused("host", expected="a quote of this TDX domain", seen=f"{error.strerror or error} at {self._reports}",
                                 mend="only root may ask the kernel for quotes; `dmesg` tells why the quoting service of the host does not answer") from error  # fmt: skip


@contextmanager
def _entry(reports: Path) -> Iterator[Path]:
    """One report of the kernel's, which is gone when its folder is."""
    entry = reports / f"countermark-{secrets.token_hex(8)}"
    entry.mkdir()
    try:
        yield entry
    finally:
        with contextlib.suppress(OSError):  # it goes with the machine
            entry.rmdir()


class TeeVerifier:
    """`EvidenceVerifier` of quotes.

    Args:
        collateral: as `stored_in` gives it. now: POSIX seconds, for collateral.
    """

    def __init__(self, collateral: enclave_quote.Collateral, now: Callable[[], float]) -> None:
        self._collateral, self._now = collateral, now

    def verify(self, binding: HostBinding, evidence: bytes, challenge: bytes) -> str:
        """The measurement of the licence that the quote shows, ``KIND:HEX``; every machine that runs it counts as one host.

        Raises:
            LicenceRefused: ``host``: the quote does not hold, is for another challenge, of another program, at another TCB level than
                ``UpToDate``, or in debug mode; or nothing here could tell. MissingExtra: dcap-qvl is absent. Unusable: no collateral.
        """
        named = _named(binding)
        try:
            kinds = tuple(sorted({_FIELDS[name][0] for name, _ in named}))
            report = enclave_quote.verified(evidence, kinds, int(self._now()), self._collateral)
            report.refuse_debug()
            report.refuse_other_data(challenge)
            if report.status != TCB:
                raise TrustRefused(f"a platform at TCB level {report.status}", mend="update its firmware and microcode")
        except Refusal as error:
            raise LicenceRefused("host", expected=f"a quote over this challenge at TCB level {TCB}", seen=error.what, mend=error.mend) from error  # fmt: skip
        for name, value in named:
            kind, field = _FIELDS[name]
            if kind == report.kind and hmac.compare_digest(report.measured(field), value):
                return f"{name}:{value}"
        raise LicenceRefused("host", expected=" or ".join(sorted(binding.measurements)), seen=f"{report.kind} of another program",
                             mend="run what the licensor measured, or ask for a licence of this one")  # fmt: skip


def _named(binding: HostBinding) -> list[tuple[str, str]]:
    pairs = [one.partition(":")[::2] for one in sorted(binding.measurements)]
    known = [(name, value) for name, value in pairs if name in _FIELDS]
    if not known:
        raise LicenceRefused("host", expected=" or ".join(sorted(binding.measurements)), seen="no verifier for it in this version",
                             mend="quotes of SGX and TDX are verified; ask for a licence that names one, or a TPM's")  # fmt: skip
    return known


def stored_in(folder: Path) -> enclave_quote.Collateral:
    """Collateral from files ``KIND-FMSPC.json`` in a folder, as a broker's home keeps them."""

    def find(kind: str, fmspc: str) -> bytes:
        path = folder / f"{kind}-{fmspc}.json"
        try:
            with path.open("rb") as file:
                return file.read(_MOST_COLLATERAL)
        except OSError as error:
            raise Unusable(f"no collateral for {kind} platform {fmspc}", why=f"{path}: {error.strerror}",
                           mend="lay it there, as `dcap-qvl` writes it; it counts until its next update is due") from error  # fmt: skip

    return find
