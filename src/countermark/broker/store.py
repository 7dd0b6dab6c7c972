"""What a broker keeps beside its log: tenants, the assets they deposited, collateral of enclaves. Files, each replaced in one step.

An owner's manifest, list of recipients and release policy are kept as he signed them and verified again when they are read, so that
a damaged or changed file grants nothing. By which keys an owner is known is this folder's own word, signed by nobody: whoever can write
here can enrol a key of his own, and has every key released that this broker opens. The log tells of it; nothing here prevents it.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countermark import canonical, dsse
from countermark.broker.policy import OWNER, PAYLOAD_TYPE, ReleasePolicy
from countermark.broker.revoked import Revoked
from countermark.broker.stamp import Stamp, stamp
from countermark.canonical import Fields
from countermark.errors import (
    NothingToVerify,
    PolicyRefused,
    SignatureRefused,
    StatementRefused,
    TrustRefused,
    Unusable,
)
from countermark.keys.verifier import PublicKey
from countermark.seal.manifest import Verified, by_keys, sealed_by, verified
from countermark.statement.predicates.licence import RevokedLicences
from countermark.workspace.disk import Disk

FORMAT = 1
MOST_BYTES = 32 << 20
MOST_KEYS = 64
MOST_CACHED = 4096
_PLATFORM = re.compile(r"(?:sgx|tdx)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Deposit:
    """A handle to what an owner deposited, signed by a key that he is known by.

    Attributes:
        sealed: manifest and list of recipients. policy: his release policy, signed with the key that sealed the asset. policy_digest: hex SHA-256 of its payload.
    """

    sealed: Verified
    policy: ReleasePolicy
    policy_digest: str


class Deposits:
    """Tenants and their deposits in a folder; threads may share it.

    Attributes:
        revoked: the owners' lists of revoked licences.
    """

    def __init__(self, home: Path, disk: Disk | None = None) -> None:
        self._home, self._disk = home, disk or Disk()
        self.revoked = Revoked(home, self._disk)
        self._kept: dict[tuple[str, bytes], tuple[Stamp, Deposit]] = {}
        self._writing = threading.Lock()

    def enrol(self, owner: str, keys: Sequence[PublicKey]) -> None:
        """Say by which statement keys an owner is known from now on; deposits that none of them signed stop counting.

        Raises:
            StatementRefused: no such name. SignatureRefused: a key of another use. Unusable: it cannot be written.
        """
        _check_owner(owner)
        if not 1 <= len(keys) <= MOST_KEYS:
            raise StatementRefused(f"an owner has 1 to {MOST_KEYS} keys")
        by_keys(keys)
        data = canonical.to_bytes({"format": FORMAT, "owner": owner, "keys": [key.to_json() for key in keys]})
        self._disk.write(self._disk.folder(self._home / "tenants") / f"{owner}.json", data)

    def revoke(self, owner: str, data: bytes, keys: Sequence[PublicKey]) -> RevokedLicences:
        """Keep the list of revoked licences of an owner who is known here: one under a name misspelt would refuse nothing, and nobody would notice.

        Raises:
            As `Revoked.keep`. NothingToVerify: no such owner is known.
        """
        self._keys(owner)
        return self.revoked.keep(owner, data, keys)

    def check(self, owner: str, manifest: bytes, recipients: bytes, policy: bytes) -> Deposit:
        """Verify an owner's deposit, and that it is newer than what is here; nothing is kept.

        Args:
            manifest, recipients, policy: signed envelopes.

        Raises:
            PolicyRefused: it is older, or another owner's asset. TrustRefused, SignatureRefused: not signed by the owner, or for another asset.
            StatementRefused, FormatRefused: malformed. NothingToVerify: no such owner is known.
        """
        new = self._verified(owner, _parsed(manifest, recipients, policy))
        self.refuse_anothers(owner, new.policy.asset)
        self._refuse_older(owner, new)
        return new

    def put(self, owner: str, manifest: bytes, recipients: bytes, policy: bytes) -> Deposit:
        """Keep an owner's deposit, or a newer one of the same asset; the arguments are those of `check`.

        Raises:
            As `check`. Unusable: it cannot be written.
        """
        with self._writing:
            new = self.check(owner, manifest, recipients, policy)
            folder = self._disk.folder(self._home / "deposits" / owner)
            whole = {"format": FORMAT, **_parsed(manifest, recipients, policy)}
            self._disk.write(folder / f"{new.policy.asset.hex()}.json", canonical.to_bytes(whole))
            return new

    def refuse_anothers(self, owner: str, asset: bytes) -> None:
        """One owner an asset. Nobody but its sealer can deposit it (`_verified`, and the key's commitment); his key may be known here under two names.

        Raises:
            PolicyRefused: another owner's deposit of it lies here.
        """
        folder, name = f"{self._home}/deposits", f"{asset.hex()}.json"
        others = os.listdir(folder) if Path(folder).is_dir() else []
        if any(os.path.exists(f"{folder}/{other}/{name}") for other in others if other != owner):
            raise PolicyRefused(
                "another owner deposited this asset here", why="a key is released by the rules of one owner alone",
                mend="remove that other deposit first, if its sealer moved to this name",
            )  # fmt: skip

    def _refuse_older(self, owner: str, new: Deposit) -> None:
        try:
            old = self.find(owner, new.policy.asset)
        except (NothingToVerify, TrustRefused, SignatureRefused):
            return  # none, or one by a key that does not count any more
        versions = [(one.policy.sequence, one.sealed.recipients.version) for one in (old, new)]
        if versions[1][0] <= versions[0][0] or versions[1][1] < versions[0][1]:
            raise PolicyRefused(
                "this broker has a policy at least as new", why=f"sequence and list have {versions[0]}, offered are {versions[1]}",
                mend="sign a policy with the next sequence",
            )  # fmt: skip

    def find(self, owner: str, asset: bytes) -> Deposit:
        """What an owner deposited for an asset, verified; remembered until a file changes.

        Raises:
            NothingToVerify: nothing. SignatureRefused, TrustRefused, StatementRefused, FormatRefused: it does not hold.
        """
        _check_owner(owner)
        # As text, here and in `refuse_anothers`, because they are looked at for each release.
        path = f"{self._home}/deposits/{owner}/{asset.hex()}.json"
        try:
            seen = stamp(f"{self._home}/tenants/{owner}.json", path)
        except OSError as error:
            raise NothingToVerify("nothing of that owner and asset is here") from error
        kept = self._kept.get((owner, asset))
        if kept is not None and kept[0] == seen:
            return kept[1]
        found = Fields(canonical.from_bytes(_read(Path(path)), what="deposit", max_bytes=MOST_BYTES), "deposit")
        if found.integer("format") != FORMAT:
            raise StatementRefused("a deposit of another format")
        deposit = self._verified(owner, {name: found.object(name) for name in ("manifest", "recipients", "policy")})
        if deposit.policy.asset != asset:
            raise TrustRefused("a deposit lies under another asset's name")
        if len(self._kept) >= MOST_CACHED:
            self._kept.clear()
        self._kept[owner, asset] = seen, deposit
        return deposit

    def _verified(self, owner: str, said: dict[str, dict[str, Any]]) -> Deposit:
        manifest, recipients, policy = (
            dsse.Envelope.from_json(said[n], what=n) for n in ("manifest", "recipients", "policy")
        )
        authority = by_keys(self._keys(owner))
        sealed = verified(manifest, recipients, authority)
        if policy.payload_type != PAYLOAD_TYPE:
            raise StatementRefused(f"an envelope of type {policy.payload_type!r:.120} is no release policy")
        sealed_by(sealed.manifest.sealer, authority(policy))
        rules = ReleasePolicy.from_bytes(policy.payload)
        if rules.owner != owner or rules.asset != sealed.manifest.prelude.asset:
            raise TrustRefused(
                "the release policy is of another owner or asset", why=f"it names {rules.owner} and {rules.asset.hex()}",
                mend="sign one for this asset",
            )  # fmt: skip
        return Deposit(sealed, rules, policy.digest)

    def _keys(self, owner: str) -> list[PublicKey]:
        _check_owner(owner)
        path = self._home / "tenants" / f"{owner}.json"
        if not path.is_file():
            raise NothingToVerify(f"no owner {owner!r:.80} is known here", mend="`countermark broker tenant`")
        fields = Fields(canonical.from_bytes(_read(path), what=path.name, max_bytes=MOST_BYTES), path.name)
        if fields.integer("format") != FORMAT or fields.text("owner") != owner:
            raise StatementRefused(f"{path.name} is another owner's, or of another format")
        return [PublicKey.from_json(key) for key in fields.items("keys")]

    def keep_collateral(self, kind: str, fmspc: str, data: bytes) -> None:
        """Keep collateral for one kind of platform.

        Raises:
            StatementRefused: no such kind, or no JSON object. Unusable: it cannot be written.
        """
        canonical.object_from_bytes(data, what="collateral", max_bytes=1 << 20)
        self._disk.write(self._disk.folder(self._home / "collateral") / f"{_platform(kind, fmspc)}.json", data)

    def collateral(self, kind: str, fmspc: str) -> bytes:
        """Stored collateral for one kind of platform.

        Raises:
            Unusable: there is none. StatementRefused: no such kind.
        """
        path = self._home / "collateral" / f"{_platform(kind, fmspc)}.json"
        if not path.is_file():
            raise Unusable(
                f"no collateral for {kind} platform {fmspc} is here", mend="`countermark broker collateral` keeps it"
            )
        return _read(path)


def _parsed(manifest: bytes, recipients: bytes, policy: bytes) -> dict[str, dict[str, Any]]:
    parts = {"manifest": manifest, "recipients": recipients, "policy": policy}
    return {name: canonical.object_from_bytes(data, what=name, max_bytes=MOST_BYTES) for name, data in parts.items()}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unusable(f"cannot read {path}", why=error.strerror or str(error)) from error


def _check_owner(owner: str) -> None:
    if not OWNER.fullmatch(owner):
        raise StatementRefused(f"{owner!r:.80} names no owner", mend="1 to 64 of a-z, 0-9 and dash")


def _platform(kind: str, fmspc: str) -> str:
    if not _PLATFORM.fullmatch(f"{kind}-{fmspc}"):
        raise StatementRefused(
            f"{kind!r:.20} {fmspc!r:.40} is no kind of platform", mend="sgx or tdx, and 12 hex digits"
        )
    return f"{kind}-{fmspc}"
