"""The page on sealing, typed line by line; and what the commands refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_howto_keys import run_page

RECIPE = '[train]\nlearning_rate = 0.01\nepochs = 3\n[data]\naugment = ["flip"]\n'
WEIGHTS = bytes(range(256)) * 30


@pytest.fixture
def sealing(project):
    """A project whose manufacturer has a model and a recipe."""
    home = project.here / "manufacturer"
    (home / "model").mkdir()
    (home / "model" / "weights.bin").write_bytes(WEIGHTS)
    (home / "recipe.toml").write_text(RECIPE)
    return project


@pytest.fixture
def sealed(sealing):
    """The model sealed for its owner and the plant."""
    sealing("recipients", "new", "manufacturer", "--signed", at="manufacturer")
    sealing("recipients", "new", "plant", "--signed", at="plant")
    sealing(
        "seal",
        "model",
        "--kind",
        "model",
        "--for",
        "manufacturer.sealpub",
        "--for",
        "../plant/plant.sealpub",
        at="manufacturer",
    )
    return sealing


def test_the_page_runs_as_written(sealing) -> None:
    said = run_page(sealing, "seal-an-asset.md", {"model": lambda: "model"})
    assert said[2] == "sealed: model for 2 recipients, model.cmsealed"
    assert (
        said[-5:-3] == ["removed: acme", "sealed anew: model for 2 recipients, model-2.cmsealed"]
        and said[-1] == "opened: 3 fields that manufacturer signed, 1 sealed"
    )
    opened = sealing.here / "plant" / "model" / "weights.bin"
    assert opened.read_bytes() == WEIGHTS and opened.stat().st_mode & 0o777 == 0o600
    assert opened.parent.stat().st_mode & 0o777 == 0o700


def test_files_are_private_and_what_was_held_is_said(sealed) -> None:
    home = sealed.here / "manufacturer"
    for path in (*home.glob("model.cmsealed*"), home / "manufacturer.sealkey"):
        assert path.stat().st_mode & 0o777 == 0o600, path
    said = sealed("recipients", "remove", "model.cmsealed", "plant", at="manufacturer")
    assert "does not revoke what was already held: re-seal for that" in said.out
    refused = sealed(
        "open", "../manufacturer/model.cmsealed", "--key", "plant.sealkey", "--out", "x", at="plant", exit=1
    )
    assert "nobody sealed this file for that key" in refused.err


@pytest.mark.parametrize(("words", "code", "told"), [
    (("seal", "model", "--kind", "model"), 2, "for whom is not said"),
    (("seal", "model", "--kind", "model", "--for", "manufacturer.sealpub"), 2, "exists"),
    (("seal", "model", "--kind", "model", "--for", "manufacturer.sealpub", "--for", "manufacturer.sealpub", "--out", "x"), 1, "same name"),
    (("seal", "model", "--kind", "model", "--for", "manufacturer.sealpub", "--out", "model/x"), 2, "in what it seals"),
    (("seal", "model", "--kind", "model", "--for", "manufacturer.sealpub", "--licence", "x=y", "--out", "x"), 2, "cannot read"),
    (("seal", "recipe.toml", "--kind", "recipe", "--field", "nothing", "--for", "manufacturer.sealpub"), 1, "names no field"),
    (("seal", "recipe.toml", "--kind", "recipe", "--field", "train=bob", "--for", "manufacturer.sealpub"), 2, "is no recipient"),
    (("open", "model.cmsealed"), 2, "how to open it is not said"),
    (("open", "model.cmsealed", "--check", "--key", "manufacturer.sealkey"), 2, "needs no key"),
    (("open", "model.cmsealed", "--key", "manufacturer.sealkey", "--out", "model"), 2, "exists"),
    (("open", "model.cmsealed", "--key", "manufacturer.sealkey", "--kind", "dataset", "--out", "x"), 1, "not a dataset"),
    (("open", "model", "--key", "manufacturer.sealkey", "--out", "x"), 3, "no manifest"),
    (("open", "model.cmsealed", "--key", "../acme/.countermark/keys/statement.pem", "--out", "x"), 2, "no sealing key"),
    (("recipients", "remove", "model.cmsealed", "nobody"), 1, "not in the list"),
    (("recipients", "new", "manufacturer"), 2, "exists"),
    (("recipients", "new", "Not A Name"), 1, "cannot name a recipient"),
    (("recipients", "add", "model.cmsealed", "--for", "x=tpm:handle=0x81000001", "--key", "manufacturer.sealkey"), None, ""),
])  # fmt: skip
def test_refusals_are_told(sealed, words: tuple[str, ...], code: int | None, told: str) -> None:
    said = sealed.ends(*words, at="manufacturer")
    assert said.exit in (1, 2, 3) if code is None else said.exit == code, said
    assert told in said.err
    assert not (sealed.here / "manufacturer" / "x").exists()


def test_a_changed_file_leaves_nothing_behind(sealed) -> None:
    data = sealed.here / "manufacturer" / "model.cmsealed"
    whole = bytearray(data.read_bytes())
    whole[-200] ^= 1
    data.write_bytes(whole)
    before = {path.name for path in data.parent.iterdir()}
    sealed("open", "model.cmsealed", "--key", "manufacturer.sealkey", "--out", "out", at="manufacturer", exit=1)
    sealed("open", "model.cmsealed", "--check", at="manufacturer", exit=1)
    assert {path.name for path in data.parent.iterdir()} == before


def test_a_delivery_sealed_for_its_receiver(project) -> None:
    project("recipients", "new", "manufacturer", "--signed", at="manufacturer")
    project("recipients", "new", "acme", at="acme")
    said = project(
        "deliver", "photos", "--seal-for", "../manufacturer/manufacturer.sealpub", "--seal-for", "acme.sealpub", "--json",
        at="acme",
    ).json()  # fmt: skip
    project("open", "photos.cmsealed", "--key", "acme.sealkey", "--out", "back", at="acme")
    assert Path(said["sealed"]).name == "photos.cmsealed"
    for name in ("photos.cmsealed", "photos.cmsealed.manifest", "photos.cmsealed.recipients", "photos.cmdelivery"):
        (project.here / "acme" / name).rename(project.here / "manufacturer" / name)
    project("receive", "photos.cmsealed", at="manufacturer", exit=2)
    said = project("receive", "photos", at="manufacturer", exit=2)
    assert "photos.cmsealed --key" in said.out + said.err
    project("receive", "photos", "--key", "manufacturer.sealkey", at="manufacturer", exit=2)
    said = project("receive", "photos.cmsealed", "--key", "manufacturer.sealkey", "--json", at="manufacturer").json()
    assert said["exit"] == 0 and [one["state"] for one in said["deliveries"]] == ["admitted"]
    assert (project.here / "manufacturer/photos.cmanswer").is_file() and not (
        project.here / "manufacturer/photos"
    ).exists()


def test_without_a_workspace_keys_are_named(shell, tmp_path: Path) -> None:
    from countermark.keys.signer import generate

    owner = generate("statement")
    owner.save(tmp_path / "owner.pem")
    (tmp_path / "owner.pub").write_bytes(owner.public.pem())
    (tmp_path / "w.bin").write_bytes(WEIGHTS)
    (tmp_path / "words").write_text("six random words do quite well\n")
    (tmp_path / "words").chmod(0o600)
    shell("seal", "w.bin", "--kind", "model", "--new-passphrase-file", "words", "--signing-key", "owner.pem")
    assert "whom to trust is not said" in shell("open", "w.bin.cmsealed", "--check", exit=2).err
    told = shell("open", "w.bin.cmsealed", "--check", "--signed-by", "owner.pub").out
    facts = shell("open", "w.bin.cmsealed", "--check", "--signed-by", "owner.pub", "--json").json()
    assert f"ciphertext root  {facts['root']}" in told and facts["manifest"] in told, "a licence names both"
    shell(
        "open",
        "w.bin.cmsealed",
        "--with-passphrase",
        "--passphrase-file",
        "words",
        "--signed-by",
        "owner.pub",
        "--out",
        "back",
    )
    assert (tmp_path / "back").read_bytes() == WEIGHTS


def test_a_jwe_for_a_server(shell, tmp_path: Path) -> None:
    pytest.importorskip("jwcrypto")
    from countermark.keys.signer import generate
    from countermark.seal import jwe

    owner = generate("statement")
    owner.save(tmp_path / "owner.pem")
    (tmp_path / "owner.pub").write_bytes(owner.public.pem())
    (tmp_path / "w.bin").write_bytes(WEIGHTS)
    (tmp_path / "server.key").write_text("ab" * 32 + "\n")
    (tmp_path / "server.key").chmod(0o600)
    shell("recipients", "new", "me")
    shell("seal", "w.bin", "--kind", "model", "--for", "me.sealpub", "--signing-key", "owner.pem")
    shell(
        "open",
        "w.bin.cmsealed",
        "--key",
        "me.sealkey",
        "--signed-by",
        "owner.pub",
        "--jwe-key",
        "server.key",
        "--kid",
        "s",
        "--out",
        "w.jwe",
    )
    assert jwe.imported((tmp_path / "w.jwe").read_bytes(), b"\xab" * 32) == WEIGHTS


def test_a_licensee_passes_no_model_off_as_the_owners(sealed) -> None:
    """The plant can open the model, and sign as itself: what it seals is no model of the project."""
    home = sealed.here / "plant"
    sealed("open", "../manufacturer/model.cmsealed", "--key", "plant.sealkey", "--out", "model", at="plant")
    (home / "model" / "weights.bin").write_bytes(b"tampered")
    sealed("seal", "model", "--kind", "model", "--for", "../manufacturer/manufacturer.sealpub", at="plant")
    refused = sealed(
        "open", "../plant/model.cmsealed", "--key", "manufacturer.sealkey", "--out", "x", at="manufacturer", exit=1
    )
    assert "plant may not seal a model" in refused.err
    refused = sealed(
        "open",
        "model.cmsealed",
        "--key",
        "manufacturer.sealkey",
        "--by",
        "engineering",
        "--out",
        "x",
        at="manufacturer",
        exit=1,
    )
    assert "manufacturer sealed this, not engineering" in refused.err
    said = sealed(
        "open",
        "model.cmsealed",
        "--key",
        "manufacturer.sealkey",
        "--by",
        "manufacturer",
        "--out",
        "x",
        "--json",
        at="manufacturer",
    )
    assert said.json()["signed_by"] == "manufacturer"


def test_a_missing_sealing_key_says_how_one_is_made(sealed) -> None:
    said = sealed("open", "model.cmsealed", "--key", "nobody.sealkey", at="manufacturer", exit=2)
    assert "countermark recipients new" in said.err


def test_sealed_anew_it_opens_for_the_new_ones_alone(sealed) -> None:
    home = sealed.here / "manufacturer"
    sealed("recipients", "reseal", "model.cmsealed", "--key", "manufacturer.sealkey", "--for", "manufacturer.sealpub", "--out", "m2.cmsealed",
           at="manufacturer")  # fmt: skip
    sealed("open", "../manufacturer/m2.cmsealed", "--key", "plant.sealkey", "--out", "x", at="plant", exit=1)
    before = sealed(
        "open", "model.cmsealed", "--key", "manufacturer.sealkey", "--out", "one", "--json", at="manufacturer"
    ).json()
    after = sealed(
        "open", "m2.cmsealed", "--key", "manufacturer.sealkey", "--out", "two", "--json", at="manufacturer"
    ).json()
    assert before["digest"] == after["digest"]
    assert (home / "two" / "weights.bin").read_bytes() == WEIGHTS
    assert (home / "m2.cmsealed").read_bytes()[:56] != (home / "model.cmsealed").read_bytes()[:56]
    assert not list(home.glob(".*.tmp"))
