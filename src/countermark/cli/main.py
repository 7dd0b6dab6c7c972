"""The `countermark` program: finds the command, loads only its module, ends with its exit code."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from countermark import __version__
from countermark.cli._answer import BUG, INTERRUPTED, UNUSABLE
from countermark.cli._command import told_as_bug
from countermark.cli._show import View, show_error
from countermark.cli._table import COMMANDS, SECTIONS, module_of

HELP = """Evidence for trained models you did not train alone.

Who supplied what, has it changed, is it poisoned, was the model made from what was admitted, is the file safe to
load: answered offline, on your own keys, together with what was not looked at."""
ENDINGS = """Exit codes: 0 fine, 1 findings or a refusal, 2 usage or input and output, 3 inconclusive (something was
not looked at), 101 a bug, 130 interrupted. Try it: countermark demo factory"""


class Lazy(click.Group):
    """A group that knows its commands' names and one-liners, and imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, by section."""
        return [name for section in SECTIONS for name, entry in COMMANDS.items() if entry.section == section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        made = getattr(import_module(module_of(cmd_name)), cmd_name)
        return made if isinstance(made, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them from the table alone."""
        for section in SECTIONS:
            rows = [(name, entry.help) for name, entry in COMMANDS.items() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows, col_max=14)


@click.group(cls=Lazy, help=HELP, epilog=ENDINGS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="countermark", message="%(prog)s %(version)s")
def countermark() -> None:
    """The group; `HELP` is its text."""


def run(arguments: list[str]) -> int:
    """Run one command line (without the program's name); returns the exit code."""
    mine = arguments[: arguments.index("--")] if "--" in arguments else arguments
    view = View.of(json="--json" in mine)
    try:
        code = countermark.main(args=arguments, prog_name="countermark", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return UNUSABLE
    except click.UsageError as error:
        usage = error.ctx.get_usage() if error.ctx else ""
        path = error.ctx.command_path if error.ctx else "countermark"
        show_error(error.format_message(), usage, f"{path} --help", UNUSABLE, view)
        return UNUSABLE
    except click.ClickException as error:
        show_error(error.format_message(), "", "", UNUSABLE, view)
        return UNUSABLE
    except (click.Abort, KeyboardInterrupt):
        show_error("interrupted", "", "", INTERRUPTED, view)
        return INTERRUPTED
    except BrokenPipeError:
        return UNUSABLE
    except Exception as error:  # noqa: BLE001 (a command's module that fails to import is a bug too)
        show_error(*told_as_bug(error), BUG, view)
        return BUG
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
