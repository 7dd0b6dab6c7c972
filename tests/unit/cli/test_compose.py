"""Settings are strict, passphrases come from private files, and a desk is where a workspace is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from countermark import compose
from countermark.compose import Settings
from countermark.errors import Unusable
from countermark.lifecycle import own_keys
from countermark.workspace.place import Workspace


def workspace(root: Path, passphrase: bytes | None = None) -> Workspace:
    space = Workspace.create(root, {"id": "acme", "name": "Acme", "organisation": "Acme Ltd"})
    own_keys.new_key(space, "statement", "ed25519", passphrase)
    return space


def private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


def test_no_settings_are_the_defaults(tmp_path: Path) -> None:
    assert compose.settings(tmp_path) == Settings()


def test_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "countermark.toml").write_text('to = "manufacturer"\ncontract = "c.json"\n')
    assert compose.settings(tmp_path) == Settings(to="manufacturer", contract="c.json")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("colour = 1", "unknown key 'colour'"),
        ("to = 3", "to is not text"),
        ("to =", "is not TOML"),
        ("\xff", "is not TOML"),
    ],
)
def test_settings_are_strict(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "countermark.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(Unusable, match=what):
        compose.settings(tmp_path)


def test_a_desk_is_found_from_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert compose.desk(None, None).party == "acme"


def test_a_named_workspace_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="no workspace"):
        compose.desk(tmp_path, None)
    with pytest.raises(Unusable, match="no workspace"):
        compose.desk_if_any(tmp_path)


def test_a_protected_key_asks_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(use: str) -> bytes:
        asked.append(use)
        return b"secret"

    desk = compose.desk_of(workspace(tmp_path, b"secret"), None, ask)
    desk.signer("statement")
    desk.signer("statement")
    assert asked == ["statement"]


def test_a_protected_key_without_anybody_to_ask_says_how(tmp_path: Path) -> None:
    desk = compose.desk_of(workspace(tmp_path, b"secret"), None)
    with pytest.raises(Unusable) as caught:
        desk.signer("statement")
    assert "--passphrase-file" in caught.value.mend


def test_an_open_key_never_asks(tmp_path: Path) -> None:
    desk = compose.desk_of(workspace(tmp_path), None, lambda use: pytest.fail(f"asked for {use}"))
    assert desk.signer("statement").public.use == "statement"


def test_a_passphrase_file_opens_the_key(tmp_path: Path) -> None:
    file = private(tmp_path / "secret", "secret\nnot this\n")
    desk = compose.desk_of(workspace(tmp_path / "w", b"secret"), file)
    assert desk.signer("statement").public.use == "statement"


def test_a_passphrase_file_must_be_private(tmp_path: Path) -> None:
    file = private(tmp_path / "secret", "secret")
    file.chmod(0o644)
    with pytest.raises(Unusable, match="can be read by others"):
        compose.read_passphrase(file)


@pytest.mark.parametrize("text", ["", "\n", "\nsecret"])
def test_an_empty_passphrase_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unusable, match="holds no passphrase"):
        compose.read_passphrase(private(tmp_path / "secret", text))


def test_no_colour_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert compose.terminal(Screen()).colour
    assert not compose.terminal(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not compose.terminal(Screen()).colour
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not compose.terminal(Screen()).colour


def test_the_shipped_policy_is_used_unless_another_is_named(tmp_path: Path) -> None:
    desk = compose.desk_of(workspace(tmp_path), None)
    assert compose.policy_of(desk, None) == compose.default_policy()
    (tmp_path / "mine.toml").write_bytes(b"mine")
    assert compose.policy_of(desk, tmp_path / "mine.toml") == b"mine"
    (tmp_path / "countermark.toml").write_text('policy = "mine.toml"')
    assert compose.policy_of(desk, None) == b"mine"
