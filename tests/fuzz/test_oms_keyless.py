"""Keyless bundles under a Sigstore of our own: the honest one verifies, and every single thing that is wrong is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sigstore", reason="needs the extra [sigstore]")

import hostile as by_key
import keyless
import keyless_hostile as hostile
import keyless_timestamp
import keyless_world as world
import weakness
from hypothesis import given
from hypothesis import strategies as st
from keyless_timestamp import Stamper
from keyless_world import DAY, NOW, World, to_bytes

from countermark.errors import CountermarkError, Inconclusive, MissingExtra, Refusal, StatementRefused, TrustRefused
from countermark.statement import oms, oms_trust_root
from countermark.statement.oms_keyless import KeylessTrust
from countermark.statement.oms_keys import KeyTrust

SPEC = Path(__file__).parents[3] / "shared" / "vectors" / "oms-spec" / "test-vectors" / "v1.0"
FOOLS_THE_REFERENCE = {"two-identities", "two-issuers", "checkpoint-of-another-size", "retired-authorities"}
PUBLIC = KeylessTrust("stefanb@us.ibm.com", "https://sigstore.verify.ibm.com/oauth2")
HONEST = hostile.honest(World())
ROOT = to_bytes(HONEST.root)
TRUST = KeylessTrust(world.IDENTITY, world.ISSUER, ROOT)


def test_an_honest_bundle_says_who_signed_and_when() -> None:
    manifest = oms.verify(to_bytes(HONEST.bundle), TRUST)
    assert manifest.name == "model" and list(manifest.resources) == ["weights.bin"]
    told = manifest.keyless
    assert told is not None and (told.identity, told.issuer) == (world.IDENTITY, world.ISSUER)
    assert told.at == NOW + world.MINUTE and told.log_index == 5


def test_the_reference_takes_it_too(tmp_path: Path) -> None:
    if not weakness.REFERENCE.exists():
        pytest.skip("model-signing is not installed in .benchenv")
    keyless.lay_out(tmp_path, HONEST)
    assert keyless.reference(tmp_path, HONEST) == keyless.countermark(tmp_path, HONEST) == weakness.ACCEPTS


@pytest.mark.parametrize("name", hostile.CASES)
def test_what_is_wrong_is_refused(name: str, tmp_path: Path) -> None:
    handed = hostile.CASES[name](World())
    keyless.lay_out(tmp_path, handed)
    assert keyless.countermark(tmp_path, handed).startswith("refuses: ")
    if name in FOOLS_THE_REFERENCE and weakness.REFERENCE.exists():
        assert keyless.reference(tmp_path, handed) == weakness.ACCEPTS


@pytest.mark.skipif(not SPEC.is_dir(), reason=f"the specification's vectors are not at {SPEC}")
def test_a_bundle_of_the_public_instance_verifies_offline_with_the_root_that_ships() -> None:
    """Of the specification: signed by a real person, certified by the real Fulcio, logged in the real Rekor."""
    bundle = (SPEC / "valid" / "sigstore.bundle.json").read_bytes()
    manifest = oms.verify(bundle, PUBLIC)
    assert manifest.resources.keys() == {"signme-1", "signme-2"} and manifest.keyless is not None
    assert manifest.keyless.at.isoformat() == "2025-10-10T02:12:20+00:00"
    assert oms.verify(bundle, KeylessTrust(PUBLIC.identity, PUBLIC.issuer, oms_trust_root.shipped())) == manifest
    for other in (KeylessTrust(PUBLIC.identity, world.ISSUER), KeylessTrust(world.IDENTITY, PUBLIC.issuer)):
        with pytest.raises(TrustRefused, match="somebody else"):
            oms.verify(bundle, other)
    with pytest.raises(Refusal):
        oms.verify(bundle, KeylessTrust(PUBLIC.identity, PUBLIC.issuer, ROOT))
    for broken in (SPEC / "invalid").iterdir():
        with pytest.raises(Refusal):
            oms.verify(broken.read_bytes(), PUBLIC)


@pytest.mark.parametrize("media_type", sorted(oms.MEDIA_TYPES))
def test_older_bundles_verify_as_far_as_the_package_knows_them(media_type: str) -> None:
    value = json.loads(to_bytes(HONEST.bundle)) | {"mediaType": media_type}
    if media_type.endswith(("0.1", "0.2")):
        material = value["verificationMaterial"]
        material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    assert oms.verify(to_bytes(value), TRUST).keyless is not None


def test_a_configuration_of_the_reference_names_the_root_too() -> None:
    trust = KeylessTrust(world.IDENTITY, world.ISSUER, hostile.to_json(HONEST).encode())
    assert oms.verify(to_bytes(HONEST.bundle), trust).keyless is not None


def test_who_was_retired_counts_for_what_was_signed_before() -> None:
    here = World()
    trust = KeylessTrust(world.IDENTITY, world.ISSUER, to_bytes(here.root(until=NOW + DAY)))
    assert oms.verify(to_bytes(here.sign(hostile.payload())), trust).keyless is not None
    late = KeylessTrust(world.IDENTITY, world.ISSUER, to_bytes(here.root(until=NOW - DAY)))
    with pytest.raises(TrustRefused, match="was in use when this was signed"):
        oms.verify(to_bytes(here.sign(hostile.payload())), late)


def test_without_the_extra_nothing_is_said_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    for bundle in (HONEST.bundle, hostile.altered_payload(World()).bundle):
        with pytest.raises(MissingExtra, match=r"countermark\[sigstore\]") as caught:
            oms.verify(to_bytes(bundle), TRUST)
        assert caught.value.exit_code == 3


def test_who_names_a_key_hears_that_an_identity_is_asked_for() -> None:
    with pytest.raises(Inconclusive, match="--identity NAME"):
        oms.verify(to_bytes(HONEST.bundle), KeyTrust(by_key.PEM))
    with pytest.raises(Refusal):
        oms.verify(by_key.signed(hostile.payload()), TRUST)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "no", '{"certificateAuthorities": 3}', '{"certificateAuthorities": [{}]}']
)
def test_what_is_no_trust_root_is_refused(text: str) -> None:
    with pytest.raises(StatementRefused):
        oms.verify(to_bytes(HONEST.bundle), KeylessTrust(world.IDENTITY, world.ISSUER, text.encode()))


def mutated(data: bytes, at: int, to: bytes, cut: int) -> bytes:
    at %= len(data)
    return data[:at] + to + data[at + cut :]


@given(at=st.integers(0, 1 << 16), to=st.binary(max_size=4), cut=st.integers(0, 4))
def test_a_mutated_bundle_or_root_is_refused_or_says_the_same(at: int, to: bytes, cut: int) -> None:
    honest = oms.verify(to_bytes(HONEST.bundle), TRUST)
    for bundle, root in ((mutated(to_bytes(HONEST.bundle), at, to, cut), ROOT),
                         (to_bytes(HONEST.bundle), mutated(ROOT, at, to, cut))):  # fmt: skip
        try:
            said = oms.verify(bundle, KeylessTrust(world.IDENTITY, world.ISSUER, root))
        except CountermarkError:
            continue
        assert said == honest


def test_nothing_of_sigstore_is_imported_before_a_keyless_bundle_is_verified() -> None:
    program = "import sys, countermark.statement.oms, countermark.lifecycle.oms, countermark.cli.oms; print('sigstore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


needs_openssl = pytest.mark.skipif(
    not keyless_timestamp.OPENSSL, reason="needs openssl, which plays the timestamp authority"
)


def stamped(here: World, stamper: Stamper, **how: Any) -> dict[str, Any]:
    return keyless_timestamp.sign(here, stamper, hostile.payload(), **how)


@needs_openssl
def test_a_bundle_of_the_second_generation_is_dated_by_its_timestamp(tmp_path: Path) -> None:
    here, stamper = World(), Stamper()
    handed = hostile.Handed(stamped(here, stamper), stamper.root_with(here))
    trust = KeylessTrust(world.IDENTITY, world.ISSUER, to_bytes(handed.root))
    told = oms.verify(to_bytes(handed.bundle), trust).keyless
    assert told is not None and abs(told.at - datetime.now(UTC)) < 5 * world.MINUTE
    if weakness.REFERENCE.exists():
        keyless.lay_out(tmp_path, handed)
        assert keyless.reference(tmp_path, handed) == weakness.ACCEPTS


@needs_openssl
@pytest.mark.parametrize(
    "name",
    [
        "other-signature",
        "unknown-authority",
        "no-authority",
        "expired",
        "other-body",
        "cut",
        "no-stamp",
        "one-of-two",
        "time-without-a-promise",
    ],
)
def test_a_timestamp_that_proves_nothing_is_refused(name: str) -> None:
    here, stamper = World(), Stamper()
    root = stamper.root_with(here)
    hour_ago = datetime.now(UTC).replace(microsecond=0) - 60 * world.MINUTE
    bundle = {
        "other-signature": lambda: stamped(here, stamper, stamped=b"another signature"),
        "unknown-authority": lambda: stamped(here, Stamper(world.key(98), world.key(99))),
        "expired": lambda: stamped(here, stamper, at=hour_ago),
    }.get(name, lambda: stamped(here, stamper))()
    material = bundle["verificationMaterial"]
    if name == "no-authority":
        root["timestampAuthorities"] = []
    elif name == "other-body":
        material["tlogEntries"] = stamped(here, stamper)["verificationMaterial"]["tlogEntries"]
    elif name == "cut":
        stamps = material["timestampVerificationData"]["rfc3161Timestamps"]
        stamps[0]["signedTimestamp"] = stamps[0]["signedTimestamp"][:400]
    elif name == "one-of-two":
        more = keyless_timestamp.b64(stamper.stamp(b"another signature"))
        material["timestampVerificationData"]["rfc3161Timestamps"].append({"signedTimestamp": more})
    elif name == "time-without-a-promise":
        material["tlogEntries"][0]["integratedTime"] = str(int(NOW.timestamp()))
    elif name == "no-stamp":
        del material["timestampVerificationData"]
    with pytest.raises(Refusal):
        oms.verify(to_bytes(bundle), KeylessTrust(world.IDENTITY, world.ISSUER, to_bytes(root)))
