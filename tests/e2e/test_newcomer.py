"""Where a newcomer stumbled on a walk through the pages: each mistake is told, with what mends it, and none is signed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from countermark import compose
from countermark.cli.main import run
from countermark.errors import Unusable
from countermark.lifecycle.rows import must_exist


def test_a_replacement_that_is_none_is_not_signed_in_silence(project) -> None:
    said = project("deliver", "photos", "--replace", at="acme").last
    assert said.endswith("delivery 1")
    said = project("deliver", "photos", "--replace", at="acme", exit=2).err
    assert "replaces none" in said and "correct the folder first" in said
    (project.here / "acme" / "photos" / "nut" / "0.png").unlink()
    project("deliver", "photos", at="acme")
    said = project("deliver", "photos", "--replace", at="acme", exit=2).err
    assert "the rows of delivery 1 still count beside it" in said
    first = project.here / "acme" / ".countermark" / "sent" / "manufacturer" / "000001.cmdelivery"
    assert first.name in said
    asked = project("revoke", first, "--reason", "one picture too many", "--out", "../gone.json", at="acme")
    assert asked.last.startswith("signed by acme")


def test_a_corrected_folder_replaces_and_may_be_signed_again(project) -> None:
    project("deliver", "photos", at="acme")
    (project.here / "acme" / "photos" / "nut" / "0.png").unlink()
    for _ in range(2):
        said = project("deliver", "photos", "--replace", "--json", at="acme").json()
        assert said["sequence"] == 2 and said["replaces"]


def test_rows_and_classes_that_do_not_exist_are_not_decided_about(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    digest = project("receive", "--list", "--json", at="manufacturer").json()["deliveries"][0]["statement"]
    row = f"{digest[:12]}/nut/0.png"
    desk = compose.desk(project.here / "manufacturer", None)
    must_exist(desk, [row], "screw")
    for rows, label, needle in (
        ([row, "nonsense"], None, "there is no row 'nonsense'"),
        ([row.replace("0.png", "9.png")], None, "there is no row"),
        ([row], "screww", "no row is of class 'screww'"),
        ([row], "nut", "was delivered as 'nut'"),
    ):
        with pytest.raises(Unusable, match=needle):
            must_exist(desk, rows, label)


def test_a_second_ledger_key_is_not_drafted_before_the_first_is_revoked(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    project("key", "new", "ledger", at="manufacturer")
    said = project("party", "add", "manufacturer.enrol.json", at="manufacturer", exit=1).err
    assert "would have two keys for the ledger" in said and "countermark party revoke manufacturer --key" in said
    old = said.split("--key ")[1].split()[0]
    project("party", "revoke", "manufacturer", "--key", old, "--reason", "yearly", at="manufacturer")
    project("party", "add", "manufacturer.enrol.json", at="manufacturer")


def test_an_export_before_the_owners_signed_says_that_they_have_to(shell) -> None:
    (shell.here / "one").mkdir()
    shell("init", "one", "--role", "data-owner", "--ledger", at="one")
    shell("trust", "new", "parts", "--party", "one.enrol.json=data-owner", at="one")
    said = shell("trust", "export", "../trust.jsonl", at="one", exit=1).err
    assert "nothing is published yet" in said and "trust sign" in said


def test_the_receiver_who_names_a_folder_too_high_is_told_which_one(project) -> None:
    project("deliver", "photos", at="acme")
    assert "name the folder that lies inside: ../acme/photos" in project(
        "receive", "../acme", at="manufacturer", exit=2
    ).err.replace("\n", " ").replace("  ", " ")


def test_the_ledger_says_who_signed_each_entry(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    entries = project("ledger", "show", "--json", at="manufacturer").json()["entries"]
    assert [e["signer"] for e in entries] == ["acme", "manufacturer"]
    assert "signed by" in project("ledger", "show", at="manufacturer").out


def test_a_snapshot_beside_a_workspace_is_not_passed_over(project) -> None:
    (project.here / "plant" / "model").mkdir()
    said = project("verify", "model", "--revocations", "nothing.json", at="plant", exit=2).err
    assert "--revocations goes with --fingerprint" in said and "countermark trust pin" in said


def test_an_answer_whose_delivery_was_revoked_is_refused_where_that_is_known(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    project("disclose", "0", "--out", "../entry.slip.json", at="manufacturer")
    fingerprint = project("trust", "show", "--json", at="manufacturer").json()["fingerprint"]
    said = project("verify", "../entry.slip.json", at="plant", exit=3)
    assert "not shown" in said.out
    project("revoke", "0", "--reason", "wrong camera", "--snapshot", "../rev.json", at="manufacturer")
    pinned = project(
        "trust", "pin", fingerprint, "--trust", "../trust.jsonl", "--revocations", "../rev.json", at="plant"
    )
    again = project("trust", "pin", fingerprint, "--trust", "../trust.jsonl", at="plant")
    assert again.last == pinned.last and "revocations known until" in again.last
    said = project("verify", "../entry.slip.json", at="plant", exit=1)
    assert "this statement was revoked (ledger entry 0)" in said.err


def test_a_quorum_line_is_all_that_witness_key_prints(project) -> None:
    project("key", "new", "witness", at="plant")
    project("party", "add", "../plant/plant.enrol.json", at="manufacturer")
    project("trust", "sign", "--out", "../draft2.json", at="manufacturer")
    project("trust", "sign", "../draft2.json", at="engineering")
    project("trust", "sign", "../draft2.json", at="manufacturer")
    fingerprint = project("trust", "export", "../trust.jsonl", "--json", at="manufacturer").json()["fingerprint"]
    project("trust", "pin", fingerprint, "--trust", "../trust.jsonl", at="plant")
    out = project("witness", "key", "--url", "http://127.0.0.1:8766", at="plant").out
    (project.here / "witnesses.txt").write_text(f"{out}quorum plant\n")
    project("trust", "quorum", "../witnesses.txt", at="manufacturer")


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_wrong_passphrase_is_not_mended_by_a_new_key(shell) -> None:
    for name, phrase in (("good", "correct"), ("wrong", "battery")):
        (shell.here / name).write_text(phrase)
        (shell.here / name).chmod(0o600)
    shell("init", "acme", "--passphrase-file", "good")
    said = shell("key", "new", "witness", "--passphrase-file", "wrong", exit=2).err.replace("\n", " ")
    assert "try the passphrase again" in said and "the passphrase is wrong" in said


def test_a_missing_key_is_named_with_the_command_that_makes_it(project) -> None:
    said = project("witness", "key", at="plant", exit=2).err.replace("\n", " ")
    assert "countermark key new witness" in said and "countermark init" not in said


def test_the_statement_file_of_a_stranger_asks_for_a_workspace(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.slip.json").write_text("{}")
    assert run(["verify", "one.slip.json"]) == 3
    assert "countermark init NAME" in capsys.readouterr().err


def test_the_list_of_deliveries_says_which_no_longer_count(project) -> None:
    pictures = project.here / "acme" / "photos"
    for words, gone in (([], "nut/0.png"), (["--replace"], "screw/0.png"), ([], "")):
        project("deliver", "photos", *words, at="acme")
        project("receive", "../acme/photos", at="manufacturer")
        if gone:
            (pictures / gone).unlink()
    newest = max(
        project("ledger", "show", "--json", at="manufacturer").json()["entries"],
        key=lambda e: e["index"] if e["type"] == "delivery:v1" else -1,
    )
    project("revoke", str(newest["index"]), "--reason", "wrong camera", at="manufacturer")
    said = project("receive", "--list", "--json", at="manufacturer").json()
    assert [d["state"] for d in said["deliveries"]] == ["replaced", "admitted", "withdrawn"]
    assert said["verdict"] == "1 admitted, 0 refused, 2 withdrawn or replaced"


def test_a_waiver_for_what_no_policy_asks_is_not_signed(project) -> None:
    said = project("waive", "data/nonsense", "--model", "model", "--reason", "why not", at="manufacturer", exit=2).err
    assert "is no check, trial or rule" in said and "data/" in said
    assert not (project.here / "manufacturer" / "waiver.json").exists()


def test_rows_for_a_stranger_are_not_written_and_bar_no_second_try(project) -> None:
    project("deliver", "photos", at="acme")
    project("receive", "../acme/photos", at="manufacturer")
    said = project("deliver", "handover", "--admitted", "--to", "nobody", at="manufacturer", exit=1).err
    assert "'nobody' is not a party" in said
    assert not (project.here / "manufacturer" / "handover").exists()
    project("deliver", "handover", "--admitted", "--to", "engineering", at="manufacturer")
