"""Keys in AWS KMS, end to end: moto's server is started here and really signs. Vault: a stand-in that speaks its protocol."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto.server", reason="needs moto's server")
pytest.importorskip("securesystemslib.signer", reason="needs the extra [kms]")

import kms_lies
import kms_service
from both_sides import Attack, show

from countermark.errors import MissingExtra, SignatureRefused, Unusable
from countermark.keys import held, uri
from countermark.keys.kms import KmsSigner, open_key, take_key
from countermark.lifecycle import oms as stage
from countermark.statement import oms
from countermark.statement.oms_keys import KeyTrust


@pytest.fixture
def service() -> Iterator[str]:
    with kms_service.started() as address:
        yield address


def taken(text: str) -> KmsSigner:
    return take_key(uri.parse(text), "statement")


@pytest.mark.parametrize(("spec", "algorithm"), [("ECC_NIST_P256", "ecdsa-p256"), ("ECC_NIST_P384", "ecdsa-p384")])
def test_a_key_is_taken_pinned_and_signs(service: str, spec: str, algorithm: str) -> None:
    key = kms_service.make(spec, "acme/statement")
    by_alias = taken("awskms:alias/acme/statement")
    assert by_alias.public == taken(f"awskms:{key}").public and by_alias.public.algorithm == algorithm
    arn = kms_service.client().describe_key(KeyId=key)["KeyMetadata"]["Arn"]
    assert taken(f"awskms:{arn}").public == by_alias.public
    again = open_key(uri.parse(by_alias.uri.text), "statement")
    assert again.public == by_alias.public
    again.public.verify(b"said", again.sign(b"said"))
    with pytest.raises(SignatureRefused):
        again.public.verify(b"other", again.sign(b"said"))
    assert "secret" not in repr(again) + again.uri.text


def test_what_the_service_refuses_is_said_with_a_mend(service: str) -> None:
    key = kms_service.make(alias="acme")
    signer, owner = taken("awskms:alias/acme"), kms_service.client()
    signer.sign(b"said")
    owner.disable_key(KeyId=key)
    with pytest.raises(Unusable, match="is disabled") as disabled:
        signer.sign(b"said")
    assert "enable-key" in disabled.value.mend
    owner.enable_key(KeyId=key)
    signer.sign(b"said")
    owner.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with pytest.raises(Unusable, match="does not sign any more") as deleted:
        signer.sign(b"said")
    assert "cancel-key-deletion" in deleted.value.mend
    for text in ("awskms:alias/nobody", "awskms:00000000-0000-0000-0000-000000000000"):
        with pytest.raises(Unusable, match="knows no such key"):
            taken(text)
    for spec in ("ECC_NIST_P521", "ECC_SECG_P256K1", "RSA_2048"):
        with pytest.raises(SignatureRefused):
            taken(f"awskms:{kms_service.make(spec)}")


def test_without_network_or_credentials(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kms_service.make(alias="acme")
    signer = taken("awskms:alias/acme")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(Unusable, match="cannot be reached") as down:
            signer.sign(b"said")
        assert "AWS_ENDPOINT_URL" in down.value.mend
    monkeypatch.setenv("AWS_ENDPOINT_URL", service)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(Unusable, match="not set up"):
        signer.sign(b"said")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with pytest.raises(Unusable, match="not set up"):
        signer.sign(b"said")


def test_no_key_is_made_there_and_nothing_unpinned_is_opened(service: str) -> None:
    with pytest.raises(Unusable, match="no key is made in AWS KMS"):
        held.make(uri.parse("awskms:alias/acme"), "statement", "ecdsa-p256", None)
    with pytest.raises(Unusable, match="pins no key"):
        held.in_element(uri.parse("awskms:alias/acme"), "statement", None)
    for pin in ("AAAA", "%21"):
        with pytest.raises(SignatureRefused):
            held.in_element(uri.parse(f"awskms:alias/acme?spki={pin}"), "statement", None)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "securesystemslib.signer", None)
    with pytest.raises(MissingExtra, match=r"countermark\[kms\]"):
        taken("awskms:alias/acme")


@pytest.mark.parametrize("build", kms_lies.ATTACKS, ids=lambda b: b.__name__)
def test_a_service_that_lies_is_refused(build: Callable[[], Attack]) -> None:
    with kms_lies.world(build) as attack:
        shown = show(attack)
    assert shown.naive.startswith("took it"), "an attack that works on nobody shows nothing"
    assert isinstance(shown.refusal, SignatureRefused) and shown.refusal.mend


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384"])
def test_a_model_is_signed_for_the_users_of_other_tools(service: str, spec: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"weights")
    signer = take_key(uri.parse(f"awskms:{kms_service.make(spec)}"), "oms")
    made, _ = stage.bundle(tmp_path / "model", signer)
    manifest = oms.verify(made, KeyTrust(signer.public.pem()))
    assert stage.hold(tmp_path / "model", manifest) == 1


def test_a_supplier_and_a_model_owner_sign_with_the_service(project, service: str) -> None:
    kms_service.make(alias="acme")
    kms_service.make(alias="models")
    said = project("key", "use", "statement", "awskms:alias/acme", at="acme")
    assert "taken: the statement key" in said.last
    listed = project("key", "list", "--json", at="acme").json()["keys"]
    assert [k["protection"] for k in listed if k["use"] == "statement"] == ["AWS KMS"]
    named = project.here / "acme" / ".countermark" / "keys" / "statement.uri"
    assert named.stat().st_mode & 0o777 == 0o600 and "?spki=" in named.read_text()
    project("key", "use", "oms", "awskms:alias/models", at="manufacturer")
    project("party", "add", "../acme/acme.enrol.json", at="manufacturer")
    project("trust", "sign", "--out", "../next.json", at="manufacturer")
    project("trust", "sign", "../next.json", at="engineering")
    project("trust", "sign", "../next.json", at="manufacturer")
    project("trust", "export", "../trust.jsonl", at="manufacturer")
    fingerprint = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", fingerprint, "--trust", "../trust.jsonl", at="acme")
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    assert "admitted by manufacturer" in project("verify", "photos.cmanswer", at="acme", exit=3).last
    kms_service.retarget("acme", kms_service.make())
    shutil.copytree(project.here / "acme" / "photos" / "nut", project.here / "acme" / "more" / "nut")
    refused = project("deliver", "more", at="acme", exit=1)
    assert "signed with another key than the pinned one" in refused.err


def test_a_deliverer_without_network_is_told(project, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kms_service.make(alias="acme")
    project("key", "use", "statement", "awskms:alias/acme", at="acme")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "AWS KMS cannot be reached" in project("key", "use", "statement", "awskms:alias/acme", at="acme", exit=2).err
    assert (project.here / "acme" / ".countermark" / "keys" / "statement.uri").exists()
    project("key", "list", at="acme")  # the public half is pinned: nobody is asked
    assert os.environ["AWS_ENDPOINT_URL"].endswith(":9") and Path.cwd().name == "acme"


def test_the_page_runs_as_written(project, service: str) -> None:
    from test_howto_keys import folders, run_page

    folders(project, "stick")
    kms_service.make(alias="acme-statement")
    fingerprint = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    said = run_page(project, "keys-in-a-key-service.md", {"FINGERPRINT": fingerprint})
    assert "taken: the statement key" in said[0] and said[-1].startswith("signed: 4 rows")
