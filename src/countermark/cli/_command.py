"""What every command shares: `--json` and `--quiet`, the workspace options, examples in its help, and how it ends."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from countermark import compose
from countermark.cli._answer import BUG, INCONCLUSIVE, INTERRUPTED, UNUSABLE, Answer
from countermark.cli._show import View, show, show_error
from countermark.errors import CountermarkError, Unusable

if TYPE_CHECKING:
    from countermark.lifecycle.desk import Desk

_SHARED = ("party", "workspace", "passphrase_file", "as_json", "quiet")
Body = Callable[..., Answer]
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class FilePath(click.Path):
    """A path that has a name, so that files can be written beside it: ``.`` becomes the folder it stands for."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; ``.`` and ``..`` are resolved."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        return path if path.name not in ("", "..") else path.resolve()


PATH = FilePath()


class Command(click.Command):
    """A command whose examples stand at the end of its help.

    Attributes:
        examples: lines as a user types them.
    """

    examples: tuple[str, ...] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def command(
    name: str, *, examples: Sequence[str], group: click.Group | None = None, **settings: Any
) -> Callable[[Body], Command]:
    """Make a function that returns an `Answer` a command.

    Args:
        name: as typed. examples: lines for the help, run by the documentation's tests. group: of a noun command.
    """

    def make(body: Body) -> Command:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object (RFC 8785) instead of text.")
        @click.option("--quiet", is_flag=True, help="Print the last line only.")
        @functools.wraps(body)
        def run(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> int:
            return ended(View.of(json=as_json, quiet=quiet), body, args, kwargs)

        made = click.command(name, cls=Command, no_args_is_help=False, **settings)(run)
        made.params.sort(key=lambda p: p.name in _SHARED)  # what a command is about stands first in its help
        made.examples = tuple(examples)
        if group is not None:
            group.add_command(made)
        return made

    return make


def with_view(body: Decorated) -> Decorated:
    """Give a command its `view`, for bars and notes."""
    body.__dict__["wants_view"] = True
    return body


def with_desk(body: Callable[..., Answer]) -> Callable[..., Answer]:
    """Add the options that say who is at work and where; the command gets a `desk`."""

    @click.option("--as", "party", metavar="PARTY", help="Refuse to work as anybody but PARTY.")
    @workspace_options
    @functools.wraps(body)
    def run(
        *args: Any, workspace: Path | None, passphrase_file: Path | None, party: str | None, **kwargs: Any
    ) -> Answer:
        desk = sitting(workspace, passphrase_file)
        _refuse_other(desk, party)
        return body(*args, desk=desk, **kwargs)

    return run


def workspace_options(body: Decorated) -> Decorated:
    """Add `--workspace` and `--passphrase-file`."""
    body = click.option(
        "--passphrase-file", type=PATH, metavar="FILE", help="File whose first line opens this party's keys."
    )(body)
    return click.option(
        "--workspace", type=PATH, metavar="DIR", help="The party's folder (default: this one, or one above it)."
    )(body)


def sitting(workspace: Path | None, passphrase_file: Path | None) -> Desk:
    """The desk that the workspace options name; a person is asked for passphrases where there is one."""
    return compose.desk(workspace, passphrase_file, ask_passphrase if sys.stdin.isatty() else None)


def _refuse_other(desk: Desk, party: str | None) -> None:
    if party is not None and party != desk.party:
        raise Unusable(
            f"this workspace belongs to {desk.party}, not to {party}", why=str(desk.space.root),
            mend=f"--workspace DIR of {party}",
        )  # fmt: skip


def ask_passphrase(use: str) -> bytes:
    """Ask a person, without showing what is typed."""
    return str(click.prompt(f"Passphrase of the {use} key", hide_input=True, err=True)).encode()


def ended(view: View, body: Body, args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """Run a command's body, print what it came to, and give the exit code."""
    if getattr(body, "wants_view", False):
        kwargs["view"] = view
    try:
        answer = body(*args, **kwargs)
        show(answer, view)
    except CountermarkError as error:
        show_error(error.what, error.why, error.mend, error.exit_code, view)
        return error.exit_code
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        what = f"{error.filename or 'input or output'}: {error.strerror or error}"
        show_error(what, "", "check the path, its permissions and the room on the disk", UNUSABLE, view)
        return UNUSABLE
    except (KeyboardInterrupt, click.Abort):
        show_error("interrupted", "", "", INTERRUPTED, view)
        return INTERRUPTED
    except click.ClickException:
        raise
    except ModuleNotFoundError as error:
        return _missing(error, view)
    except Exception as error:  # noqa: BLE001 (the last line of defence: a bug is told as a bug, with its trace)
        show_error(*told_as_bug(error), BUG, view)
        return BUG
    return answer.exit


def _missing(error: ModuleNotFoundError, view: View) -> int:
    """An optional library that is absent is inconclusive, with the extra that brings it; any other is a bug."""
    name = (error.name or "").partition(".")[0]
    from countermark.cli._extras import bringing

    extra = bringing(name)
    if extra is None:
        show_error(*told_as_bug(error), BUG, view)
        return BUG
    show_error(
        f"this needs {name}, which is not installed", "", f"pip install 'countermark[{extra}]'", INCONCLUSIVE, view
    )
    return INCONCLUSIVE


def told_as_bug(error: BaseException) -> tuple[str, str, str]:
    """Keep the traceback in a private file; what, why and fix for people."""
    trace = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="countermark-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", errors="backslashreplace") as file:
            file.write(trace)
        kept = f"the traceback is kept in {name}"
    except OSError:
        kept = trace
    return (
        f"a bug in Countermark: {type(error).__name__}: {error}", kept,
        "report it with that file, after reading it for what is private; nothing half done counts",
    )  # fmt: skip


def _reader_gone() -> int:
    """Whoever read our output has left; stay silent at exit as well."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return UNUSABLE
