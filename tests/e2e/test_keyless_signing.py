"""Keyless signing, end to end: authority and log are started here on loopback, and really certify and log what they are sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sigstore", reason="needs the extra [sigstore]")

import keyless_service
import keyless_world as world
import weakness
from keyless_service import Service

from countermark.errors import MissingExtra, Refusal, SignatureRefused, StatementRefused, TrustRefused, Unusable
from countermark.lifecycle import oms as stage
from countermark.statement import oms
from countermark.statement.oms_keyless import KeylessTrust

needs_reference = pytest.mark.skipif(not weakness.REFERENCE.exists(), reason="model-signing is not in .benchenv")
WHO = ("--identity", world.IDENTITY, "--identity-provider", world.ISSUER)


@pytest.fixture
def service() -> Iterator[Service]:
    with keyless_service.started() as running:
        yield running


@pytest.fixture
def model(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    place.mkdir()
    (place / "weights.bin").write_bytes(b"weights")
    (place / "config.json").write_bytes(b"{}")
    return place


def lay_out(service: Service, place: Path, token: str | None = None) -> None:
    (place / "token").touch(0o600)
    (place / "token").write_text((token or service.token()) + "\n")
    (place / "sigstore.json").write_text(json.dumps(service.config()))
    (place / "root.json").write_text(json.dumps(service.here.root()))


def signed(service: Service, model: Path, token: str | None = None) -> tuple[bytes, oms.Manifest]:
    config = json.dumps(service.config()).encode()
    return stage.keyless_bundle(model, (token or service.token()).encode(), config)


def test_a_model_is_signed_and_verified_by_name(shell, service: Service, model: Path) -> None:
    lay_out(service, shell.here)
    said = shell("oms", "sign", "model", "--sigstore", "--trust-config", "sigstore.json", "--identity-token-file", "token",
                 "--signature", "model.sig")  # fmt: skip
    assert said.last == "signed: 2 files, bundle model.sig" and world.IDENTITY in said.out
    assert service.asked == ["/api/v2/signingCert", "/api/v1/log/entries"]
    verify = ("oms", "verify", "model", "--signature", "model.sig", "--trust-root", "root.json")
    assert shell(*verify, *WHO).last == "verified: 2 files are exactly those signed as 'model'"
    shell(*verify, "--identity", "mallory@works.example", *WHO[2:], exit=1)
    shell(*verify, *WHO[:2], "--identity-provider", "https://login.mallory.example", exit=1)
    (model / "weights.bin").write_bytes(b"others")
    assert "changed: weights.bin" in shell(*verify, *WHO, exit=1).err
    assert len(service.asked) == 2, "verifying asks nobody"


def test_the_page_runs_as_written(shell, service: Service, model: Path) -> None:
    from test_howto_keys import FENCE, PAGES, run_page

    lay_out(service, shell.here)
    (shell.here / "trusted_root.json").write_bytes((shell.here / "root.json").read_bytes())
    (shell.here / "model.oms.json").write_bytes(signed(service, model)[0])
    said = run_page(shell, "sign-without-a-key.md", {})
    assert len(said) == len("".join(FENCE.findall((PAGES / "sign-without-a-key.md").read_text())).splitlines()) == 2
    assert said[0].startswith("verified: 2 files") and said[1] == "signed: 2 files, bundle model.oms.json"


def test_a_token_is_asked_for_where_no_file_is_named(shell, service: Service, model: Path, monkeypatch) -> None:
    import click

    lay_out(service, shell.here)
    asked = []
    monkeypatch.setattr(click, "prompt", lambda text, **how: asked.append((text, how["hide_input"])) or service.token())
    shell("oms", "sign", "model", "--sigstore", "--trust-config", "sigstore.json", "--signature", "model.sig")
    assert asked == [("Identity token", True)]


@needs_reference
def test_the_reference_verifies_ours_and_we_verify_its(shell, service: Service, model: Path) -> None:
    lay_out(service, shell.here)
    made, _ = signed(service, model)
    (shell.here / "ours.sig").write_bytes(made)
    options = ["--trust_config", "sigstore.json", "--identity", world.IDENTITY, "--identity_provider", world.ISSUER]
    command = [weakness.REFERENCE, "verify", "sigstore", "model", "--signature", "ours.sig", *options]
    done = subprocess.run(command, cwd=shell.here, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    command = [weakness.REFERENCE, "sign", "sigstore", "model", "--signature", "theirs.sig", "--trust_config", "sigstore.json",
               "--identity_token", service.token()]  # fmt: skip
    done = subprocess.run(command, cwd=shell.here, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    theirs = ("oms", "verify", "model", "--signature", "theirs.sig", "--trust-root", "sigstore.json", *WHO)
    assert shell(*theirs).last == "verified: 2 files are exactly those signed as 'model'"


def test_a_token_that_does_not_count_is_never_shown(service: Service, model: Path) -> None:
    for token, match in (
        (service.token(seconds=-60), "does not count"),
        (service.token(audience="others"), "does not count"),
        ("eyJhbGciOiJ9.eyJpc3MiOi.c2lnbmF0", "does not count"),
        (service.token(by=world.key(99)), "no keyless signature was made"),
    ):
        with pytest.raises(Unusable, match=match) as refused:
            signed(service, model, token)
        assert token not in str(refused.value) and token.split(".")[1] not in str(refused.value)
    assert service.asked == ["/api/v2/signingCert"], "only a token that looks well is sent"


@pytest.mark.parametrize("lie", [{"identity": "mallory@works.example"}, {"issuer": "https://login.mallory.example"}])
def test_an_authority_that_certifies_somebody_else(service: Service, model: Path, lie: dict[str, str]) -> None:
    service.issue = lie
    with pytest.raises(TrustRefused, match="somebody else"):
        signed(service, model)


def test_services_that_answer_with_what_does_not_verify(service: Service, model: Path) -> None:
    service.issue = {"promised": False}
    with pytest.raises(Unusable, match="no keyless signature was made"):
        signed(service, model)
    service.issue = {}
    for change in (
        lambda answer: answer.update(integratedTime=answer["integratedTime"] + 1),
        lambda answer: answer["verification"]["inclusionProof"].update(rootHash="00" * 32),
        lambda answer: answer.update(body=world.b64(service.here.log.leaves[0])),
    ):
        service.changed = change
        with pytest.raises((SignatureRefused, Unusable)):
            signed(service, model)


def test_services_that_are_not_there(service: Service, model: Path) -> None:
    config = service.config()
    for one in config["signingConfig"]["caUrls"]:
        one["url"] = "http://127.0.0.1:9"
    with pytest.raises(Unusable, match="no keyless signature was made") as refused:
        stage.keyless_bundle(model, service.token().encode(), json.dumps(config).encode())
    assert "reachable" in refused.value.mend and not service.asked


@pytest.mark.parametrize("name", ["caUrls", "rekorTlogUrls"])
def test_a_token_never_travels_in_clear(service: Service, model: Path, name: str) -> None:
    config = service.config()
    config["signingConfig"][name][0]["url"] = "http://sigstore.example"
    with pytest.raises(Unusable, match="not https"):
        stage.keyless_bundle(model, service.token().encode(), json.dumps(config).encode())
    assert not service.asked


@pytest.mark.parametrize("config", ["{}", "[]", '{"signingConfig": 3}', '{"signingConfig": {}, "trustedRoot": {}}'])
def test_what_is_no_configuration(service: Service, model: Path, config: str) -> None:
    with pytest.raises((StatementRefused, Unusable)):
        stage.keyless_bundle(model, service.token().encode(), config.encode())
    assert not service.asked


def test_without_the_extra(shell, service: Service, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(service, shell.here)
    (shell.here / "model.sig").write_bytes(signed(service, model)[0])
    monkeypatch.setitem(sys.modules, "sigstore", None)
    said = shell("oms", "verify", "model", "--signature", "model.sig", "--trust-root", "root.json", *WHO, exit=3)
    assert "countermark[sigstore]" in said.err
    with pytest.raises(MissingExtra, match=r"countermark\[sigstore\]"):
        signed(service, model)


def test_options_that_contradict_each_other(shell, model: Path) -> None:
    sign = ("oms", "sign", "model", "--signature", "model.sig")
    for words in ((), ("--sigstore", "--key", "k.pem"), ("--key", "k.pem", "--identity-token-file", "token")):
        shell(*sign, *words, exit=2)
    (shell.here / "token").write_text("secret")
    (shell.here / "token").chmod(0o644)
    said = shell(*sign, "--sigstore", "--identity-token-file", "token", exit=2)
    assert "can be read by others" in said.err
    verify = ("oms", "verify", "model", "--signature", "model.sig")
    for words in ((), WHO[:2], WHO[2:], ("--trust-root", "r"), (*WHO, "--public-key", "k.pem")):
        shell(*verify, *words, exit=2)


def test_signing_twice_gives_two_entries_and_two_keys(service: Service, model: Path) -> None:
    (first, one), (second, two) = signed(service, model), signed(service, model)
    assert one.signer != two.signer and one.keyless and two.keyless and one.keyless.log_index < two.keyless.log_index
    trust = KeylessTrust(world.IDENTITY, world.ISSUER, json.dumps(service.here.root()).encode())
    assert oms.verify(first, trust).resources == oms.verify(second, trust).resources
    swapped = json.loads(first)
    swapped["verificationMaterial"]["tlogEntries"] = json.loads(second)["verificationMaterial"]["tlogEntries"]
    with pytest.raises(Refusal):
        oms.verify(json.dumps(swapped).encode(), trust)
