"""An NV counter of a TPM as the anchor of a licence's state.

The licence names the counter and its value when it was granted, so that a state that is gone is told from one that never was. Who
owns the TPM may remove the counter, but a TPM begins each new one above all that it ever had (TCG TPM 2.0 Library, part 3, TPM2_NV_Increment),
so that it never reads as before. A counter keeps no head: a state that was *edited* to the right count is not noticed by it. A
software TPM, which the tests use, is a test double and protects nothing.
"""

from __future__ import annotations

from countermark.keys import tpm_seal
from countermark.keys.uri import KeyUri
from countermark.licence.anchors import Anchored
from countermark.licence.refusal import LicenceRefused


class TpmAnchor:
    """`Anchor` by the NV counter that a licence names.

    Args:
        where: URI that leads to the TPM. index: of the counter. base: its value when the licence was granted.
    """

    def __init__(self, where: KeyUri, index: int, base: int) -> None:
        self._where, self._index, self._base = where, index, base

    @property
    def name(self) -> str:
        """For people."""
        return f"TPM NV counter {self._index:#x}"

    def read(self) -> Anchored:
        """How often it was stepped since the grant.

        Raises:
            LicenceRefused: ``state``: it stands below that, so that it is another TPM's. Unusable: no such counter.
            MissingExtra: the library is absent.
        """
        value = tpm_seal.read_epoch(self._where, self._index).value
        if value < self._base:
            raise LicenceRefused("state", expected=f"{self.name} at {self._base} or more", seen=f"{value}",
                                 mend="use the TPM that the licence was granted for")  # fmt: skip
        return Anchored(value - self._base)

    def advance(self, entry: bytes) -> Anchored:
        """Step it; what is entered it cannot keep.

        Raises:
            As `read`.
        """
        tpm_seal.step_epoch(self._where, self._index)
        return self.read()
