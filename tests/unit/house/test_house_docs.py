"""Documentation under test: every command that a page, a help text or an error message names can be typed."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from countermark.cli._command import Command
from countermark.cli._table import COMMANDS
from countermark.cli.main import countermark

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / n for n in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted((ROOT / "docs").rglob("*.md"))
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`(countermark [^`]+)`")


def typed(page: Path) -> Iterator[str]:
    """Command lines of a page's shell blocks, continued lines joined."""
    for block in FENCE.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            text = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if text.startswith("countermark "):
                yield text


def parse(line: str) -> None:
    """Parse a command line with the real parser, without running it.

    Raises:
        click.UsageError: no such command or option, or an argument is missing.
    """
    words = shlex.split(line, comments=True)[1:]
    node: click.Command = countermark
    context = click.Context(node, info_name="countermark")
    while isinstance(node, click.Group):
        if words and words[0] in ("-h", "--help", "-V", "--version"):
            return
        name, found, words = node.resolve_command(context, words)
        assert found is not None
        node, context = found, click.Context(found, info_name=name, parent=context)
    if "--help" in words or "-h" in words:
        return
    node.make_context(node.name, words, parent=context.parent)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, name
        yield (*path, name), found
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))


EVERY = list(commands(countermark))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_of_a_page_can_be_typed(page: Path) -> None:
    for line in typed(page):
        parse(line)


def test_pages_hold_commands() -> None:
    assert len([line for page in PAGES for line in typed(page)]) > 20


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[" ".join(p) for p, _ in EVERY])
def test_every_command_helps(path: tuple[str, ...], command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=" ".join(path)))
    assert command.get_short_help_str()
    if isinstance(command, Command):
        assert command.examples, "a command shows how it is typed"
        for line in command.examples:
            assert line in text
            parse(line)
        options = {o for p in command.params for o in p.opts}
        assert {"--json", "--quiet"} <= options


def test_one_liners_are_those_of_the_table() -> None:
    assert list(COMMANDS) == [p[0] for p in dict.fromkeys(p[:1] for p, _ in EVERY)] or set(COMMANDS) == {
        p[0] for p, _ in EVERY
    }
    for name, entry in COMMANDS.items():
        assert len(entry.help) <= 62, f"{name}: the help is read at 80 columns"


def messages() -> Iterator[tuple[str, str]]:
    """Commands in backticks inside the program's own texts."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for line in QUOTED.findall(node.value):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", line


def test_commands_that_messages_name_exist() -> None:
    wrong = []
    for where, line in messages():
        words = line.replace("\n", " ").split()[1:]
        node: click.Command | None = countermark
        while isinstance(node, click.Group) and words and not words[0].startswith("-"):
            node = node.get_command(click.Context(node), words.pop(0))
        options = [w.split("=")[0].rstrip(".,;:)") for w in words if w.startswith("--")]
        known = {o for p in node.params for o in (*p.opts, *p.secondary_opts)} if node else set()
        if node is None or not set(options) <= known | {"--help", "--"}:
            wrong.append(f"{where}: {line}")
    assert wrong == []


def test_the_page_of_commands_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "commands.py"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == (ROOT / "docs/reference/commands.md").read_text(), (
        "python docs/commands.py > docs/reference/commands.md"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    lost = [to for to in links if "://" not in to and not to.startswith("mailto:") and not (page.parent / to).exists()]
    assert lost == []


def build(source: Path, out: Path, *more: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", ROOT / "docs", *more, source, out],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_documentation_builds_without_warnings(tmp_path: Path) -> None:
    """All pages in a plain theme, as furo lays the list of all of them on each: two thirds of the time. Then one page in furo."""
    build(ROOT / "docs", tmp_path / "all", "-D", "html_theme=basic")
    assert (tmp_path / "all" / "tutorial" / "factory.html").exists()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.md").write_text((ROOT / "docs" / "how-to" / "load-a-model.md").read_text())
    build(tmp_path / "one", tmp_path / "furo")
    assert "furo.css" in (tmp_path / "furo" / "index.html").read_text()
