"""Parties, trust, deliveries, the door and the ledger, typed as their users type them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


def test_a_delivery_is_signed_received_and_answered(project) -> None:
    said = project("deliver", "photos", "--as", "acme", "--to", "manufacturer", at="acme")
    assert said.last == "signed: 4 rows of 2 classes for manufacturer, delivery 1"
    assert project("receive", "../acme/photos", at="manufacturer").last == "1 admitted (4 rows), 0 refused"
    answer = project("verify", "photos.cmanswer", at="acme", exit=3)
    assert answer.last == "admitted by manufacturer: 4 rows; freshness: not shown"
    assert "trust snapshot" in answer.out
    project("trust", "snapshot", "../rev.json", at="manufacturer")
    pinned = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", pinned, "--trust", "../trust.jsonl", "--revocations", "../rev.json", at="acme")
    assert project("verify", "photos.cmanswer", at="acme").last == "admitted by manufacturer: 4 rows"
    assert "model's papers" in project("verify", "photos.cmanswer", "--fingerprint", pinned, at="acme", exit=2).err
    assert project("verify", "photos", at="plant", exit=2).out == ""
    assert project("verify", "../acme/photos", at="plant").last == "verified: exactly what acme signed"


def test_receiving_twice_gives_the_first_answer(project) -> None:
    project("deliver", "photos", at="acme")
    first = project("receive", "../acme/photos", "--json", at="manufacturer").json()
    second = project("receive", "../acme/photos", "--json", at="manufacturer").json()
    assert first["deliveries"][0]["answer"] == second["deliveries"][0]["answer"]
    assert project("ledger", "show", "--json", at="manufacturer").json()["size"] == 2


def test_an_altered_delivery_is_refused_by_file(project) -> None:
    project("deliver", "photos", at="acme")
    (project.here / "acme" / "photos" / "nut" / "0.png").write_bytes(b"other")
    (project.here / "acme" / "photos" / "nut" / "extra.png").write_bytes(b"extra")
    said = project("receive", "../acme/photos", at="manufacturer", exit=1)
    assert "changed: nut/0.png" in said.out
    assert "extra: nut/extra.png" in said.out
    assert said.last == "0 admitted (0 rows), 1 refused"
    answer = project("verify", "photos.cmanswer", at="acme", exit=1)
    assert answer.last == "refused by manufacturer: 4 rows"
    assert "nut/0.png" in project("verify", "photos", at="acme", exit=1).err


def test_a_refusal_is_listed_after_the_corrected_copy_was_admitted(project) -> None:
    picture = project.here / "acme" / "photos" / "nut" / "0.png"
    whole = picture.read_bytes()
    project("deliver", "photos", at="acme")
    picture.write_bytes(b"other")
    project("receive", "../acme/photos", at="manufacturer", exit=1)
    picture.write_bytes(whole)
    project("receive", "../acme/photos", at="manufacturer")
    said = project("receive", "--list", at="manufacturer")
    assert said.last == "1 admitted, 0 refused; before that 1 refused"
    assert "then admitted" in said.out and "nut/0.png" in said.out
    (past,) = project("receive", "--list", "--json", at="manufacturer").json()["refused_before"]
    assert (past["supplier"], past["sequence"], past["then"]) == ("acme", 1, "then admitted")


def test_a_delivery_beyond_its_scope_is_refused_before_it_is_signed(project) -> None:
    folder = project.here / "acme" / "photos"
    shutil.copytree(folder / "nut", folder / "gear")
    dry = project("deliver", "photos", "--dry-run", at="acme", exit=1)
    assert "gear" in dry.out
    said = project("deliver", "photos", at="acme", exit=1)
    assert "outside the scope of acme" in said.err
    assert not (project.here / "acme" / "photos.cmdelivery").exists()


def test_a_stranger_is_turned_away(project, tmp_path: Path) -> None:
    (project.here / "evil").mkdir()
    project("init", "evil", at="evil")
    project("deliver", "photos", at="acme")
    parcel = project.here / "acme" / "photos.cmdelivery"
    envelope, _, rest = parcel.read_bytes().partition(b"\n")
    forged = json.loads(envelope)
    forged["signatures"][0]["sig"] = "A" * len(forged["signatures"][0]["sig"])
    parcel.write_bytes(json.dumps(forged, separators=(",", ":"), sort_keys=True).encode() + b"\n" + rest)
    said = project("receive", "../acme/photos", at="manufacturer", exit=1)
    assert "unknown signer" in said.out
    assert "only its digest and the reason were kept" in said.out
    assert not (project.here / "acme" / "photos.cmanswer").exists()


def test_a_contract_is_examined(project) -> None:
    contract = {"format": 1, "image": {"width": 16, "height": 16}, "rows": {"acme": {"nut": 2, "screw": 3}}}
    (project.here / "manufacturer" / "contract.json").write_text(json.dumps(contract))
    project("deliver", "photos", at="acme")
    said = project("receive", "../acme/photos", at="manufacturer", exit=1)
    assert "class screw: 2 rows, the contract says 3" in said.out


def test_a_revoked_supplier_is_refused(project) -> None:
    project("party", "revoke", "acme", "--reason", "laptop stolen", at="manufacturer")
    project("trust", "sign", "--out", "../draft2.json", at="manufacturer")
    project("trust", "sign", "../draft2.json", at="engineering")
    project("trust", "sign", "../draft2.json", at="manufacturer")
    assert "revoked" in project("party", "list", at="manufacturer").out
    project("deliver", "photos", at="acme")
    said = project("receive", "../acme/photos", at="manufacturer", exit=1)
    assert "revoked" in said.out


def test_new_keys_keep_the_old_ones_for_what_they_signed(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    project("key", "new", "statement", at="acme")
    assert "not enrolled" in project("key", "list", at="acme").out
    project("party", "add", "../acme/acme.enrol.json", at="manufacturer")
    project("trust", "sign", "--out", "../draft2.json", at="manufacturer")
    project("trust", "sign", "../draft2.json", at="engineering")
    project("trust", "sign", "../draft2.json", at="manufacturer")
    acme = next(p for p in project("party", "list", "--json", at="manufacturer").json()["parties"] if p["id"] == "acme")
    assert len([k for k in acme["keys"] if k["use"] == "statement"]) == 2
    assert acme["scope"] == ["nut", "screw"]
    assert project("receive", "../acme/photos", at="manufacturer").last == "1 admitted (4 rows), 0 refused"


def test_the_ledger_proves_and_checks(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    entries = project("ledger", "show", "--json", at="manufacturer").json()["entries"]
    assert [e["type"] for e in entries] == ["delivery:v1", "reception:v1"]
    project("ledger", "proof", "0", "--out", "../entry.slip.json", at="manufacturer")
    said = project("verify", "../entry.slip.json", at="plant", exit=3)
    assert said.last == "verified: delivery:v1 by acme, entry 0; freshness: not shown"
    assert project("ledger", "check", at="manufacturer").last.startswith("whole: 2 entries")
    bundle = next((project.here / "manufacturer" / ".countermark" / "ledger" / "tile" / "entries").rglob("*.p/2"))
    data = bundle.read_bytes()
    bundle.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    project("ledger", "check", at="manufacturer", exit=1)


def test_one_entry_is_disclosed_to_one_auditor(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    said = project("disclose", "0", "--out", "../entry.slip.json", "--json", at="manufacturer").json()
    assert (said["index"], said["size"]) == (0, 2)
    said = project("verify", "../entry.slip.json", at="plant", exit=3)
    assert said.last == "verified: delivery:v1 by acme, entry 0; freshness: not shown"
    project("disclose", "7", at="manufacturer", exit=3)
    project("disclose", "0", at="plant", exit=3)


def test_a_delivery_is_revoked_by_a_statement_and_told_by_a_snapshot(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    said = project("revoke", "0", "--reason", "recalled", "--snapshot", "../rev.json", at="manufacturer")
    assert said.last == "withdrawn: 1 statement (entry 0); written: ../rev.json, hand it to relying parties"
    shown = project("ledger", "show", "--json", at="manufacturer").json()["entries"]
    assert [e["type"] for e in shown][2:] == ["withdrawal:v1", "revocation:v1"]


def test_only_the_keeper_writes_the_ledger(project) -> None:
    said = project("ledger", "show", at="engineering", exit=1)
    assert "does not keep the ledger" in said.err


def test_a_snapshot_makes_a_pin_fresh(project) -> None:
    project("trust", "snapshot", "../rev.json", at="manufacturer")
    fingerprint = project("trust", "show", "--json", at="plant").json()["fingerprint"]
    said = project("trust", "pin", fingerprint, "--trust", "../trust.jsonl", "--revocations", "../rev.json", at="plant")
    assert "revocations known until" in said.last


def test_another_fingerprint_is_not_pinned(project) -> None:
    said = project("trust", "pin", "0" * 64, "--trust", "../trust.jsonl", at="plant", exit=1)
    assert "another project" in said.err
    assert said.last == "verdict: refused"


def test_renewing_changes_the_threshold(project) -> None:
    project("trust", "renew", "--threshold", "1", at="manufacturer")
    drafted = project("party", "list", "--draft", "--json", at="manufacturer").json()
    assert drafted["version"] == 2


@pytest.mark.parametrize(
    ("words", "exit", "needle"),
    [
        (("deliver", "photos", "--as", "bolts"), 2, "belongs to acme"),
        (("deliver", "nowhere"), 2, "cannot read"),
        (("deliver", "photos", "--to", "nobody"), 1, "not a party"),
        (("verify", "photos"), 3, "nobody signed"),
        (("quarantine", "--from-screening"), 3, "nothing was screened"),
        (("receive", "photos"), 2, "is not beside"),
        (("decide", "row"), 2, "one decision is needed"),
        (("release", "photos"), 1, "does not keep the ledger"),
        (("trust", "sign"), 2, "draft"),
        (("party", "add", "missing.enrol.json", "--role", "supplier"), 1, "not a party"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_says_why(project, words: tuple[str, ...], exit: int, needle: str) -> None:
    said = project(*words, at="acme", exit=exit)
    assert needle in said.err


def test_init_protects_keys_with_a_passphrase(shell, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("open sesame\n")
    shell("init", "acme", "--passphrase-file", secret)
    assert b"ENCRYPTED" in (tmp_path / ".countermark" / "keys" / "statement.pem").read_bytes()
    assert "needs a passphrase" in shell("key", "list", exit=2).err
    assert "passphrase" in shell("key", "list", "--passphrase-file", secret).out


def test_keys_are_private_files(shell) -> None:
    shell("init", "acme", "--algorithm", "ecdsa-p256")
    keys = list((shell.here / ".countermark" / "keys").iterdir())
    assert [k.stat().st_mode & 0o777 for k in keys] == [0o600]
    assert shell("key", "list", "--json").json()["keys"][0]["algorithm"] == "ecdsa-p256"


def test_a_second_init_is_refused(shell) -> None:
    shell("init", "acme")
    assert "workspace already" in shell("init", "acme", exit=2).err


@pytest.mark.parametrize("name", ["", "Acme", "../evil", "a b", "a" * 65])
def test_names_are_plain(shell, name: str) -> None:
    assert "cannot be a party's name" in shell("init", "--", name, exit=2).err
