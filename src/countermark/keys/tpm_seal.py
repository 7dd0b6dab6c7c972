"""Content keys sealed to one TPM under a policy, and the counter that ends them.

Source: TCG TPM 2.0 Library, part 3 (TPM2_Create, TPM2_Load, TPM2_Unseal, TPM2_NV_DefineSpace, TPM2_NV_Increment). A sealed key
opens on that chip only, while all that `TpmPolicy` asks for holds; clearing the TPM destroys it. A software TPM (swtpm), which the
tests use, is a test double: its state is a folder that can be copied and rolled back, so that it protects nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from countermark.errors import StatementRefused, TrustRefused, Unusable
from countermark.keys import tpm_session
from countermark.keys.tpm_policy import CLOCK_OFFSET, Epoch, TpmPolicy
from countermark.keys.uri import KeyUri

MOST_SECRET, MOST_BLOB = 64, 2048
_COUNTER_BYTES = 8
_GONE = "the TPM does not give this key now"


def seal(uri: KeyUri, secret: bytes, policy: TpmPolicy) -> bytes:
    """Seal a secret to the TPM that a URI leads to.

    Args:
        secret: 1 to 64 bytes. policy: what must hold when it is given.

    Returns:
        TPM2B_PUBLIC and TPM2B_PRIVATE, each behind its length (16 bits).

    Raises:
        MissingExtra: the library is absent. Unusable: another size, or the TPM refuses.
    """
    if not 1 <= len(secret) <= MOST_SECRET:
        raise Unusable(f"a TPM seals keys of 1 to {MOST_SECRET} bytes", why=f"seen {len(secret)}")
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        bits = tpm.TPMA_OBJECT
        nothing = tpm.TPMS_KEYEDHASH_PARMS(scheme=tpm.TPMT_KEYEDHASH_SCHEME(scheme=tpm.TPM2_ALG.NULL))
        public = tpm.TPM2B_PUBLIC(tpm.TPMT_PUBLIC(
            type=tpm.TPM2_ALG.KEYEDHASH, nameAlg=tpm.TPM2_ALG.SHA256, authPolicy=policy.digest(),
            objectAttributes=bits.FIXEDTPM | bits.FIXEDPARENT | bits.NODA,  # no USERWITHAUTH: by policy alone
            parameters=tpm.TPMU_PUBLIC_PARMS(keyedHashDetail=nothing),
        ))  # fmt: skip
        sensitive = tpm.TPM2B_SENSITIVE_CREATE(tpm.TPMS_SENSITIVE_CREATE(data=tpm.TPM2B_SENSITIVE_DATA(bytes(secret))))
        with tpm_session.storage_root(chip) as root, tpm_session.private_session(chip, root, tpm.TPM2_SE.HMAC) as safe:
            private, made, *_ = chip.create(root, sensitive, public, session1=tpm.ESYS_TR.PASSWORD, session2=safe)
            return b"".join(struct.pack(">H", len(part)) + part for part in (made.marshal(), private.marshal()))


def unseal(uri: KeyUri, blob: bytes, policy: TpmPolicy) -> bytearray:
    """The secret; wipe it when done.

    Args:
        blob: as `seal` gives it. policy: as it was sealed with; a changed one is refused by the TPM.

    Raises:
        TrustRefused: a condition does not hold, another TPM sealed it, or it was changed. StatementRefused: malformed.
        MissingExtra: the library is absent. Unusable: no TPM.
    """
    public, private = _parts(blob)
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        with tpm_session.storage_root(chip) as root:
            loaded = _loaded(chip, root, public, private)
            try:
                with tpm_session.private_session(chip, root, tpm.TPM2_SE.POLICY) as session:
                    _satisfy(chip, session, policy)
                    return bytearray(bytes(chip.unseal(loaded, session1=session)))
            except tpm.TSS2_Exception as error:
                raise TrustRefused(
                    _GONE, why=f"its policy is another: {tpm_session.told(error)}", mend="ask for it to be sealed anew"
                ) from error
            finally:
                chip.flush_context(loaded)


def _loaded(chip: Any, root: Any, public: bytes, private: bytes) -> Any:
    import tpm2_pytss as tpm

    try:
        parts = tpm.TPM2B_PRIVATE.unmarshal(private)[0], tpm.TPM2B_PUBLIC.unmarshal(public)[0]
        return chip.load(root, *parts)
    except (tpm.TSS2_Exception, ValueError, TypeError) as error:
        raise TrustRefused(
            "this key was sealed to another TPM, or was changed", why=tpm_session.told(error),
            mend="clearing a TPM, or another mainboard, has the same effect: ask for it to be sealed anew",
        ) from error  # fmt: skip


def _satisfy(chip: Any, session: Any, policy: TpmPolicy) -> None:
    """Walk the policy's conditions in their order; which one does not hold is told by name."""
    import tpm2_pytss as tpm

    if policy.pcrs:
        chosen = tpm.TPML_PCR_SELECTION.unmarshal(policy.selection)[0]
        _step(lambda: chip.policy_pcr(session, tpm.TPM2B_DIGEST(policy.pcr_digest), chosen),
              f"PCR {', '.join(map(str, sorted(policy.pcrs)))} differ from what it was sealed to",
              "boot what it was sealed for, or ask for it to be sealed anew")  # fmt: skip
    if policy.deadline is not None:
        operand = tpm.TPM2B_OPERAND(policy.deadline.to_bytes(_COUNTER_BYTES, "big"))
        _step(lambda: chip.policy_counter_timer(session, operand, tpm.TPM2_EO.UNSIGNED_LT, CLOCK_OFFSET),
              f"the TPM's clock passed {policy.deadline} ms, the deadline", "ask for a new lease")  # fmt: skip
    if policy.epoch is not None:
        epoch = policy.epoch
        operand = tpm.TPM2B_OPERAND(epoch.value.to_bytes(_COUNTER_BYTES, "big"))
        _step(lambda: _policy_epoch(chip, session, epoch, operand),
              f"counter {epoch.index:#x} is not at {epoch.value} any more: it was revoked here",
              "ask for it to be sealed to the new epoch")  # fmt: skip


def _policy_epoch(chip: Any, session: Any, epoch: Epoch, operand: Any) -> None:
    import tpm2_pytss as tpm

    index = chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(epoch.index))
    chip.policy_nv(index, index, session, operand, tpm.TPM2_EO.EQ)


def _step(act: Any, why: str, mend: str) -> None:
    import tpm2_pytss as tpm

    try:
        act()
    except tpm.TSS2_Exception as error:
        raise TrustRefused(_GONE, why=f"{why} ({tpm_session.told(error)})", mend=mend) from error


def _parts(blob: bytes) -> tuple[bytes, bytes]:
    if len(blob) > MOST_BLOB:
        raise StatementRefused(f"a key sealed to a TPM has at most {MOST_BLOB} bytes, not {len(blob)}")
    parts, rest = [], blob
    for _ in range(2):
        size = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 + size or size < 2:
            raise StatementRefused("a key sealed to a TPM was cut off")
        parts.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    if rest or any(int.from_bytes(part[:2], "big") != len(part) - 2 for part in parts):
        raise StatementRefused("a key sealed to a TPM is not two of its structures")
    return parts[0], parts[1]


def make_epoch(uri: KeyUri, index: int) -> Epoch:
    """Define a monotonic counter and start it; only the owner of the TPM can step it, everybody may read it.

    A counter that is removed and defined anew goes on above every value that any counter of that TPM has had.

    Raises:
        Unusable: the index is taken, or the TPM refuses. StatementRefused: no index of the owner's range.
    """
    Epoch(index, 0)
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        if tpm_session.taken(chip, index):
            raise Unusable(f"NV index {index:#x} is taken", mend="name another, or step the one that is there")
        bits = tpm.TPMA_NV
        kind = tpm.TPM2_NT.COUNTER << tpm.TPMA_NV.TPM2_NT_SHIFT
        chip.nv_define_space(b"", tpm.TPM2B_NV_PUBLIC(tpm.TPMS_NV_PUBLIC(
            nvIndex=index, nameAlg=tpm.TPM2_ALG.SHA256, dataSize=_COUNTER_BYTES, authPolicy=b"",
            attributes=bits.OWNERWRITE | bits.OWNERREAD | bits.AUTHREAD | bits.NO_DA | kind,
        )))  # fmt: skip
    return step_epoch(uri, index)


def step_epoch(uri: KeyUri, index: int) -> Epoch:
    """Increment the counter: every key that was sealed to its value before is refused from now on.

    Raises:
        Unusable: no such counter, or the TPM refuses.
    """
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        chip.nv_increment(chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(index)), tpm.ESYS_TR.OWNER)
    return read_epoch(uri, index)


def read_epoch(uri: KeyUri, index: int) -> Epoch:
    """The counter as it stands.

    Raises:
        Unusable: no such counter, or of another kind.
    """
    with tpm_session.opened(uri) as chip:
        import tpm2_pytss as tpm

        found = chip.tr_from_tpmpublic(tpm.TPM2_HANDLE(index))
        _, name = chip.nv_read_public(found)
        epoch = Epoch(index, int.from_bytes(bytes(chip.nv_read(found, _COUNTER_BYTES)), "big"))
        if bytes(name) != epoch.name:
            raise Unusable(f"NV index {index:#x} is no counter that only its owner can step", mend="name another index")
        return epoch


def root_id(uri: KeyUri) -> str:
    """Hex SHA-256 by which a TPM's storage root, and so the TPM until it is cleared, is known.

    Raises:
        MissingExtra: the library is absent. Unusable: no TPM.
    """
    with tpm_session.opened(uri) as chip, tpm_session.storage_root(chip) as root:
        _, name, _ = chip.read_public(root)
        return bytes(name)[2:].hex()


@dataclass(frozen=True, slots=True)
class TpmTime:
    """What a TPM says of time.

    Attributes:
        milliseconds: in which it had power, as its owner may have set it forward. resets: of the chip. safe: whether no smaller value can have
            been reported before.
    """

    milliseconds: int
    resets: int
    safe: bool


def read_time(uri: KeyUri) -> TpmTime:
    """The TPM's clock with what it is worth.

    Raises:
        MissingExtra: the library is absent. Unusable: no TPM.
    """
    with tpm_session.opened(uri) as chip:
        read = chip.read_clock().clockInfo
        return TpmTime(int(read.clock), int(read.resetCount), int(read.safe) == 1)


def read_clock(uri: KeyUri) -> int:
    """The TPM's clock in milliseconds.

    Raises:
        As `read_time`.
    """
    return read_time(uri).milliseconds
