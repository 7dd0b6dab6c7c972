"""The one error tree. Every leaf says what happened, why it matters and how to mend it.

::

    CountermarkError                      exit
    |- Refusal                              1   evidence is malformed, missing or does not hold
    |  |- SignatureRefused                      a signature, envelope or key does not verify
    |  |- TrustRefused                          role, scope, revocation, expiry, rollback of trust
    |  |- TreeRefused                           files differ from what was signed, or cannot be signed
    |  |- StatementRefused                      JSON, statement or document is malformed
    |  |- LedgerRefused                         checkpoint, proof or history does not hold
    |  |- ContractRefused                       a delivery breaks the contract with its supplier
    |  |- FormatRefused                         a file breaks its format or crosses a limit
    |  |- SandboxRefused                        a hermetic claim could not be made
    |  |- PolicyRefused                         policy says no, or could not end
    |  `- ExchangeRefused                       a query or answer does not hold
    |- Unusable                             2   usage, configuration, input and output
    `- Inconclusive                         3   something could not be looked at
       |- MissingExtra                          an optional library is absent
       `- NothingToVerify                       nobody signed this thing
"""

from __future__ import annotations


class CountermarkError(Exception):
    """Root of the tree.

    Args:
        what: one line that names the thing and what is wrong with it.
        why: why that matters, or what was expected and seen.
        mend: what the reader can do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, why: str = "", mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.mend = mend

    def __str__(self) -> str:
        lines = [self.what]
        if self.why:
            lines.append(f"why: {self.why}")
        if self.mend:
            lines.append(f"fix: {self.mend}")
        return "\n".join(lines)


class Refusal(CountermarkError):
    """Evidence is malformed, missing, or does not hold."""

    exit_code = 1


class SignatureRefused(Refusal):
    """A signature, envelope or key does not verify."""


class TrustRefused(Refusal):
    """A party, role, scope, key or trust version does not count."""


class TreeRefused(Refusal):
    """Files differ from what was signed, or cannot be signed at all."""


class StatementRefused(Refusal):
    """A JSON document or statement is malformed."""


class LedgerRefused(Refusal):
    """A checkpoint, proof or ledger history does not hold."""


class ContractRefused(Refusal):
    """A delivery breaks the contract with its supplier."""


class FormatRefused(Refusal):
    """A file breaks its format or crosses a limit."""


class SandboxRefused(Refusal):
    """A hermetic claim could not be made."""


class PolicyRefused(Refusal):
    """The policy says no, or did not end within its bounds."""


class ExchangeRefused(Refusal):
    """A query or its answer does not hold."""


class Unusable(CountermarkError):
    """Usage, configuration, input or output: nothing was judged."""

    exit_code = 2


class Inconclusive(CountermarkError):
    """Something could not be looked at; that is never the same as clean."""

    exit_code = 3


class MissingExtra(Inconclusive):
    """An optional library is absent."""


class NothingToVerify(Inconclusive):
    """Nobody signed this thing, so there is nothing to verify it against."""
