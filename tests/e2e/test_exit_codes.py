"""The page of exit codes against the program: every command is listed, and ends as the page says where it is tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import small_release
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from countermark.cli._table import COMMANDS
from countermark.cli.main import countermark, run

SAFETENSORS = b"\x3b" + bytes(7) + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}     ' + bytes(4)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
ROW = re.compile(r"^\| `([a-z -]+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
CODES = {name: dict(zip((0, 1, 3), said, strict=True)) for name, *said in ROW.findall(PAGE.read_text())}


def leaves(path: tuple[str, ...], found: click.Command | None) -> Iterator[tuple[str, click.Command]]:
    if isinstance(found, click.Group):
        for name in found.list_commands(click.Context(found)):
            yield from leaves((*path, name), found.get_command(click.Context(found), name))
    elif found is not None:
        yield " ".join(path), found


ALL = dict(
    leaf for name in COMMANDS for leaf in leaves((name,), countermark.get_command(click.Context(countermark), name))
)


def test_every_command_is_on_the_page_and_nothing_else() -> None:
    assert set(CODES) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_option_is_a_usage_error_everywhere(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err.replace("\n", "")


ARGUMENTS = {
    "trust new": ("parts", "--party", "none.enrol.json=data-owner"), "trust pin": ("0" * 64, "--trust", "none"),
    "query": ("http://127.0.0.1:9", "none.png", "--model", "0" * 64, "--api-key-file", "none"),
    "trial": ("none", "--images", "none"), "approve": ("none", "--note", "x"), "waive": ("data/duplicates", "--model", "none",
    "--reason", "x"), "revoke": ("0", "--reason", "x"), "party revoke": ("acme", "--reason", "x"),
    "key api": ("plant", "--out", "api.key"), "key new": ("statement",), "key use": ("statement", "pkcs11:token=none"),
    "oms sign": ("none", "--signature", "none.json", "--key", "none.pem"),
    "oms verify": ("none", "--signature", "none.json", "--public-key", "none.pem"),
    "proof make": ("none", "file", "--out", "none.cmproof"), "proof check": ("none", "none.cmproof", "--digest", "0" * 64),
    "convert": ("none", "out"), "ledger compare": ("none", "none"), "init": ("Not A Name",),
}  # fmt: skip
ANYWHERE = {
    "policy show", "doctor", "demo factory", "broker init", "broker key", "fingerprint key", "recipients new",
}  # fmt: skip
"""They ask for no file and no workspace."""


@pytest.mark.parametrize("name", sorted(set(ALL) - ANYWHERE))
def test_without_workspace_and_files_nothing_is_judged(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    needed = sum(p.required for p in ALL[name].params if isinstance(p, click.Argument))
    words = ARGUMENTS.get(name, ("none",) * needed)
    code = run([*name.split(), *words])
    assert code == 2, (code, capsys.readouterr())


def test_a_wrong_passphrase_is_an_input_that_is_not_right(shell) -> None:
    for name, phrase in (("good", "correct"), ("wrong", "battery")):
        (shell.here / name).write_text(phrase)
        (shell.here / name).chmod(0o600)
    shell("init", "acme", "--role", "data-owner", "--ledger", "--passphrase-file", "good")
    shell("trust", "new", "parts", "--party", "acme.enrol.json=data-owner", "--passphrase-file", "good")
    for words in (("trust", "sign"), ("key", "new", "witness")):
        said = shell(*words, "--passphrase-file", "wrong", exit=2)
        assert "the passphrase is wrong" in said.err.replace("\n", " ")
    shell("trust", "sign", "--passphrase-file", "good")
    (shell.here / "photos" / "nut").mkdir(parents=True)
    (shell.here / "photos" / "nut" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for words in (("deliver", "photos"), ("trust", "snapshot", "x"), ("ledger", "show")):
        said = shell(*words, "--passphrase-file", "wrong", exit=2)
        assert "the passphrase is wrong" in said.err.replace("\n", " ")


TRIED = (
    ("acme", "deliver photos --dry-run", 0), ("acme", "deliver photos --to nobody", 1), ("acme", "deliver photos", 0),
    ("manufacturer", "receive ../acme/photos", 0), ("manufacturer", "receive --list", 0),
    ("acme", "verify photos", 0), ("acme", "verify photos.cmanswer", 3), ("plant", "verify model", 3),
    ("manufacturer", "review", 3), ("manufacturer", "quarantine --from-screening", 3), ("manufacturer", "decide row --reject", 3),
    ("manufacturer", "recall --supplier acme", 0), ("manufacturer", "release model", 1), ("manufacturer", "report model", 1),
    ("manufacturer", "assess model", 0), ("engineering", "release ../plant/model", 1), ("plant", "inspect model", 3),
    ("manufacturer", "disclose 0 --out ../0.slip.json", 0), ("manufacturer", "disclose 77", 3), ("plant", "verify ../0.slip.json", 3),
    ("manufacturer", "ledger show", 0), ("manufacturer", "ledger proof 1", 0), ("manufacturer", "ledger proof 77", 3),
    ("manufacturer", "ledger check", 0), ("manufacturer", "ledger fsck", 0), ("manufacturer", "ledger rebuild-index", 0),
    ("manufacturer", "ledger head head.checkpoint", 0), ("manufacturer", "ledger monitor", 0), ("engineering", "ledger head x", 1),
    ("manufacturer", "ledger compare head.checkpoint .countermark/ledger", 0), ("manufacturer", "ledger add ../acme/photos.cmanswer", 1),
    ("manufacturer", "ledger cosign", 1), ("manufacturer", "ledger ask x", 0), ("manufacturer", "ledger fork head.checkpoint", 1),
    ("plant", "witness key", 2), ("plant", "witness show", 0), ("acme", "letter photos.cmanswer", 1),
    ("manufacturer", "approve model --training ../acme/photos.cmanswer --note x", 1), ("plant", "party list", 0),
    ("manufacturer", "party revoke nobody --reason x", 1), ("manufacturer", "party add ../acme/acme.enrol.json", 0),
    ("manufacturer", "trust show", 0), ("manufacturer", "trust export ../again.jsonl", 0), ("manufacturer", "trust renew", 0),
    ("plant", "trust pin " + "0" * 64 + " --trust ../trust.jsonl", 1), ("manufacturer", "trust policy bad.toml", 1),
    ("manufacturer", "trust quorum bad.toml", 1), ("acme", "trust sign ../next.json", 2), ("acme", "trust snapshot x", 1),
    ("manufacturer", "trust snapshot ../rev.json", 0), ("manufacturer", "revoke 0 --reason x", 0), ("manufacturer", "revoke 77 --reason x", 3),
    ("acme", "waive data/duplicates --model photos --reason x", 1), ("manufacturer", "supersede 77 78", 3),
    ("plant", "key list", 0), ("plant", "key new witness", 0), ("plant", "key api phone --out api.key", 0), ("plant", "key api-list", 0),
    ("plant", "witness cosign ../manufacturer/head.checkpoint", 1), ("plant", "policy show", 0), ("manufacturer", "policy check bad.toml", 1),
    ("acme", "canary draw photos --at-random --pairs 2 --key k --out o --withheld w", 0), ("acme", "canary test x --key k --delivered o --withheld w", 2),
    ("acme", "digest photos", 0), ("acme", "diff photos photos", 0), ("acme", "diff photos ../plant/model", 1),
    ("acme", "proof make photos nut --out nut.cmproof", 0), ("acme", "proof check photos nut.cmproof --digest " + "0" * 64, 1),
    ("acme", "croissant export photos --out photos.croissant.json", 0), ("acme", "convert photos.cmanswer out", 2), ("acme", "convert bad.tar out", 1),
    ("stranger", "init stranger --role data-owner", 0), ("stranger", "trust show", 1), ("stranger", "trust export ../x", 1), ("stranger", "trust renew", 1),
    ("stranger", "witness show", 1), ("stranger", "trust new other --party stranger.enrol.json=data-owner", 0),
    ("stranger", "trust new other --party ../acme/bad.tar=data-owner", 1), ("acme", "digest odd", 1), ("acme", "proof make odd nut --out x", 1),
    ("acme", "oms sign odd --signature x --key ../oms.pem", 1), ("acme", "croissant export odd --out x", 1), ("acme", "canary draw odd --pairs 1 --key x --out x --withheld y", 1),
    ("acme", "croissant import photos.croissant.json ../imported", 0), ("acme", "croissant import bad.tar ../x", 1), ("plant", "oms sign model --signature ../model.sig --key ../oms.pem", 0),
    ("plant", "oms verify model --signature ../model.sig --public-key ../oms.pub", 0), ("acme", "oms verify photos --signature ../model.sig --public-key ../oms.pub", 1),
    ("plant", "inspect ../evil.pkl", 1), ("plant", "inspect ../good.safetensors", 0),
    ("manufacturer", "policy check good.toml", 0), ("manufacturer", "trust policy good.toml", 0), ("manufacturer", "trust quorum none", 0),
    ("manufacturer", "party add bad.toml", 1), ("manufacturer", "party revoke acme --reason x", 0), ("manufacturer", "trust sign", 0),
    ("plant", "key new root", 0), ("plant", "trust sign ../manufacturer/.countermark/trust/draft.json.signed", 1),
)  # fmt: skip


def test_commands_end_as_the_page_says(project) -> None:
    for name in ("manufacturer", "plant"):
        folder = project.here / name / "model"
        folder.mkdir()
        (folder / "weights.bin").write_bytes(b"weights")
    (project.here / "manufacturer" / "bad.toml").write_text("nonsense = 1\n")
    (project.here / "manufacturer" / "good.toml").write_bytes(small_release.POLICY)
    (project.here / "acme" / "bad.tar").write_bytes(b"no shard" * 64)
    (project.here / "acme" / "odd").mkdir()
    (project.here / "acme" / "odd" / "nut").symlink_to("nowhere")
    (project.here / "stranger").mkdir()
    (project.here / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    (project.here / "good.safetensors").write_bytes(SAFETENSORS)
    key = ec.generate_private_key(ec.SECP256R1())
    (project.here / "oms.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (project.here / "oms.pem").chmod(0o600)
    (project.here / "oms.pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    wrong = wrong_ends(project, TRIED)
    assert wrong == [], "\n".join(map(str, wrong))


def leaf_of(words: str) -> str:
    """The command that a line names, as the page calls it."""
    return next(leaf for leaf in ALL if f"{words} ".startswith(f"{leaf} "))


def wrong_ends(
    shell, tried: Sequence[tuple[str, str, int]], before: Mapping[str, Callable[[Any], None]] | None = None
) -> list[tuple[object, ...]]:
    """Type (folder, words, exit code) one after the other; those that end otherwise, or as the page does not know.

    Args:
        before: what is laid out just before the first line of a command.
    """
    wrong: list[tuple[object, ...]] = []
    waiting = dict(before or {})
    for at, words, code in tried:
        name = leaf_of(words)
        waiting.pop(name, lambda _: None)(shell)
        done = shell.ends(*words.split(), at=at)
        if done.exit != code:
            wrong.append((at, words, code, done.exit, (done.err or done.out)[-300:]))
        if done.exit in CODES[name] and CODES[name][done.exit] == "-":
            wrong.append((at, words, "the page knows no", done.exit, done.err))
    return wrong
