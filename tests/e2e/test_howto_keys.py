"""How-to pages of trust and ledger: every command of them is run, in the order and at the party that the page names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import small_release
from plain_web import web

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def key_id(shell, party: str, use: str, at: str = "manufacturer") -> str:
    """First digits of a party's first enrolled key of that use."""
    from countermark.keys.verifier import PublicKey

    parties = shell("party", "list", "--json", at=at).json()["parties"]
    key = next(k for p in parties if p["id"] == party for k in p["keys"] if k["use"] == use and "revoked" not in k)
    return PublicKey.from_json({n: key[n] for n in ("use", "algorithm", "spki")}).id[:12]


def run_page(shell, name: str, words: dict[str, object], exits: dict[str, int] | None = None) -> list[str]:
    """Type a page's lines; words in capitals are looked up when they are needed. Returns the last lines printed."""
    said, at = [], ""
    for line in "".join(FENCE.findall((PAGES / name).read_text())).splitlines():
        if line.startswith("# at "):
            at = line.removeprefix("# at ")
            continue
        typed = shlex.split(line)[1:]
        real = [str(w() if callable(w := words.get(word, word)) else w) for word in typed]
        done = shell(*real, at=at, exit=(exits or {}).get(f"{at}: {' '.join(typed[:2])}", 0))
        said.append((done.out.splitlines() or done.err.splitlines())[-1])
    assert said
    return said


def fingerprint(shell) -> str:
    return str(shell("trust", "show", "--json", at="manufacturer").json()["fingerprint"])


def folders(shell, *names: str) -> None:
    for name in names:
        (shell.here / name).mkdir(exist_ok=True)


def signed(shell) -> None:
    """Both owners of the project sign the draft; everybody may pin ../stick/trust.jsonl."""
    shell("trust", "sign", "--out", "../next.json", at="manufacturer")
    shell("trust", "sign", "../next.json", at="engineering")
    shell("trust", "sign", "../next.json", at="manufacturer")
    shell("trust", "export", "../stick/trust.jsonl", at="manufacturer")
    (shell.here / "next.json").unlink()


def delivered(shell) -> None:
    shell("deliver", "photos", at="acme")
    shell("receive", "../acme/photos", at="manufacturer")


def test_ceremony_and_lost_and_stolen_keys(shell) -> None:
    folders(shell, "manufacturer", "engineering", "auditing", "stick")
    words: dict[str, object] = {"FINGERPRINT": lambda: fingerprint(shell)}
    assert "pinned: parts, version 1" in run_page(shell, "root-ceremony.md", words)[-1]
    words |= {"LOST": key_id(shell, "auditing", "root"), "STOLEN": key_id(shell, "engineering", "statement")}
    run_page(shell, "lost-or-stolen-keys.md", words)
    parties = shell("party", "list", "--json", at="manufacturer").json()
    assert parties["version"] == 3
    revoked = {(p["id"], k["use"]) for p in parties["parties"] for k in p["keys"] if "revoked" in k}
    assert revoked == {("auditing", "root"), ("engineering", "statement")}


def test_the_ledger_key_is_rotated_and_old_receipts_stay(project) -> None:
    folders(project, "stick")
    delivered(project)
    project("disclose", "0", "--out", "../stick/before.slip.json", at="manufacturer")
    words = {"FINGERPRINT": lambda: fingerprint(project), "LEDGER": key_id(project, "manufacturer", "ledger")}
    said = run_page(project, "rotate-the-ledger-key.md", words)
    assert said[-1] == "verified: delivery:v1 by acme, entry 0"
    project("ledger", "proof", "1", "--out", "../after.slip.json", at="manufacturer")
    assert "entry 1 of 3" in project("verify", "../after.slip.json", at="plant").out


def test_a_restored_ledger_is_compared_with_what_others_saw(project) -> None:
    import shutil

    folders(project, "stick")
    delivered(project)
    project("ledger", "head", "../stick/head.checkpoint", at="manufacturer")
    run_page(project, "restore-a-ledger-from-backup.md", {})
    home = project.here / "manufacturer" / ".countermark" / "ledger"
    shutil.copytree(home, project.here / "backup")
    project("trust", "snapshot", "../rev.json", at="manufacturer")
    project("ledger", "head", "../stick/head.checkpoint", at="manufacturer")
    shutil.rmtree(home)
    shutil.copytree(project.here / "backup", home)
    said = project("ledger", "check", "--seen", "../stick/head.checkpoint", at="manufacturer", exit=1)
    assert "saw 3 entries of this ledger; here are 2" in said.err
    project("ledger", "check", "--seen", "../rev.json", at="manufacturer", exit=1)


@pytest.fixture
def released(project):
    """A project whose small policy counts, with one delivery and a model to release on the stick."""
    folders(project, "stick", "stick/model", "lonely")
    (project.here / "stick" / "model" / "weights.bin").write_bytes(b"weights")
    (project.here / "manufacturer" / "policy.toml").write_bytes(small_release.POLICY)
    project("trust", "policy", "policy.toml", at="manufacturer")
    signed(project)
    delivered(project)
    return project


def test_an_air_gapped_pc_verifies_and_a_recall_reaches_it(released) -> None:
    words = {"FINGERPRINT": lambda: fingerprint(released)}
    said = run_page(released, "verify-on-an-air-gapped-pc.md", words)
    assert said[-1] == "admitted, unwitnessed: model of parts" == said[4]
    said = run_page(released, "recall-a-suppliers-data.md", words, {"plant: verify ../stick/model": 1})
    assert said[0].startswith("acme: deliveries: 1; not named; 0 rows set aside")
    assert said[1] == "4 rows reached no model"


def test_oms_bundles(shell, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folders(shell, "desk", "desk/model", "desk/model/.git")
    (shell.here / "desk" / "model" / "weights.bin").write_bytes(b"weights")
    (shell.here / "desk" / "model" / ".git" / "head").write_bytes(b"ref")
    private = ec.generate_private_key(ec.SECP256R1())
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (shell.here / "desk" / "ec.pem").touch(0o600)
    (shell.here / "desk" / "ec.pem").write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (shell.here / "desk" / "ec.pub").write_bytes(public)
    for line in "".join(FENCE.findall((PAGES / "sign-and-verify-oms.md").read_text())).splitlines():
        done = shell(*shlex.split(line)[1:], at="desk")
        assert done.out.splitlines()[-1].startswith(("signed: 2 ", "verified: 2 files"))
    (shell.here / "desk" / "model" / "weights.bin").write_bytes(b"changed")
    shell(*shlex.split(line)[1:], at="desk", exit=1)


def test_a_ledger_is_looked_after(project) -> None:
    delivered(project)
    with web(project.here / "manufacturer" / ".countermark" / "ledger") as url:
        said = run_page(project, "look-after-a-ledger.md", {"http://127.0.0.1:8000": url})
    assert said[0].startswith("whole: 2 entries")
    assert said[-1] == "restored: 0 statements; made again: 0 receipts, and the index of 2 statements"
    assert said[1:3] == ["2 entries, 2 new; the history only grew"] * 2
    assert said[3:5] == ["2 entries, 0 new; the history only grew", "one history: the same head"]
    receipts = sorted((project.here / "manufacturer" / ".countermark" / "statements").glob("*.tlog-proof"))
    receipts[0].unlink()
    assert "does not hold" in project("ledger", "fsck", at="manufacturer", exit=1).last
    done = project("ledger", "rebuild-index", at="manufacturer")
    assert done.last.startswith("restored: 0 statements; made again: 1 receipt,")
    assert project("ledger", "fsck", "--json", at="manufacturer").json()["troubles"] == []
    project("disclose", "1", "--out", "../entry.slip.json", at="manufacturer")
    for file in receipts[0].parent.glob(
        project("ledger", "show", "--json", at="manufacturer").json()["entries"][1]["statement"] + ".*"
    ):
        file.unlink()
    lost = project("ledger", "rebuild-index", at="manufacturer", exit=1)
    assert (
        lost.last.startswith("missing: entry 1: what opens the leaf") and "ask manufacturer, who signed it" in lost.out
    )
    back = project("ledger", "rebuild-index", "--from", "../entry.slip.json", at="manufacturer")
    assert back.last.startswith("restored: 1 statement; made again: 1 receipt,")


def test_two_deliveries_are_compared(project) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    photos = project.here / "acme" / "photos"
    for month, keys in (("march", ["a", "b"]), ("april", ["c", "b"])):
        parquet.write_table(arrow.table({"key": keys}), project.here / "acme" / f"{month}.parquet")
    said = run_page(project, "compare-two-deliveries.md", {}, {"acme: diff march.cmrows": 1})
    assert said[2] == "alike: 4 rows" and said[-1] == "1 added, 1 removed; 1 as they were"
    files = sorted(p for p in photos.rglob("*") if p.is_file())
    files[0].rename(photos / "screw" / "moved-here.png")
    files[1].write_bytes(b"changed")
    before = ".countermark/sent/manufacturer/000001.cmdelivery"
    told = project("diff", before, "photos", "--csv", "changes.csv", at="acme", exit=1)
    assert told.last == "1 changed, 1 relabelled; 2 as they were"
    assert len((project.here / "acme" / "changes.csv").read_text().splitlines()) == 3


def test_tables_shards_and_croissant(project) -> None:
    arrow = pytest.importorskip("pyarrow")
    import tarfile

    from pyarrow import parquet

    photos = sorted((project.here / "acme" / "photos").rglob("*.png"))
    made = arrow.table({"image": [p.read_bytes() for p in photos], "part": [p.parent.name for p in photos]})
    parquet.write_table(made, project.here / "acme" / "march.parquet")
    parquet.write_table(made.rename_columns(["image", "label"]), project.here / "acme" / "april.parquet")
    folders(project, "acme/shards")
    with tarfile.open(project.here / "acme" / "shards" / "0.tar", "w") as shard:
        for number, photo in enumerate(photos):
            (project.here / "acme" / "label").write_text(photo.parent.name)
            shard.add(photo, f"{number}.png")
            shard.add(project.here / "acme" / "label", f"{number}.cls")
    said = run_page(project, "tables-and-shards.md", {})
    assert said[0].startswith("would be signed: 4 rows of 2 classes") and said[1].startswith("signed: 4 rows")
    assert said[2] == said[3] == "written: 4 rows of 2 classes from 1 shard"
    assert project("receive", "../acme/april.parquet", at="manufacturer").last.startswith("1 admitted (4 rows)")
    assert said[-1] == "alike: 4 rows"
    project("deliver", "photos-of-march", at="acme")
    assert project("receive", "../acme/photos-of-march", at="manufacturer").last.startswith("1 admitted (4 rows)")
