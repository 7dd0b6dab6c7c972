"""The entry point: finds the command, runs it, and turns what happened into an exit code.

0 fine; 1 a refusal; 2 usage, configuration, input and output; 3 inconclusive; 101 a bug in Countermark; 130
interrupted. No library's own code leaks through.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from importlib import import_module
from typing import NoReturn

import click

from countermark import __version__
from countermark.cli import show
from countermark.errors import CountermarkError

BUG, INTERRUPTED, USAGE = 101, 130, 2
LIFECYCLE = ("init", "deliver", "receive", "screen", "train", "inspect", "trial", "release", "verify", "serve", "query",
             "assess", "report")  # fmt: skip
PEOPLE = ("approve", "waive", "quarantine", "decide", "review")
NOUNS = ("party", "key", "trust", "ledger", "policy", "oms")
OTHERS = ("demo", "doctor", "digest")
COMMANDS = {
    "init": "Make a workspace and single-use keys for one party.",
    "deliver": "Sign a folder for somebody, or see what signing it would mean.",
    "receive": "Verify a delivery at the door; admit or refuse it.",
    "screen": "Look for poison in training data, and name the supplier.",
    "train": "Run an unchanged training script hermetically and sign what came out of what.",
    "inspect": "Read model files to the last byte, executing nothing.",
    "trial": "Attack a model under a budget and a seed.",
    "release": "Judge the evidence by policy; sign the verdict, the model and its passport.",
    "verify": "Verify a model against its passport, or a folder against its delivery.",
    "serve": "Serve a verified model behind a guard that signs every answer.",
    "query": "Ask a guarded model, and verify its answer.",
    "assess": "Answer the SPIE x CIA matrix and the cheat sheet from evidence.",
    "report": "Write one self-contained HTML file about a model.",
    "approve": "Approve a model and its training, as a reviewer.",
    "waive": "Accept for at most 90 days that one check does not pass.",
    "quarantine": "Set rows of the training data aside.",
    "decide": "Accept, relabel or reject a row; or take that back.",
    "review": "Contact sheet, CSV and letters about flagged rows.",
    "party": "Enrol, revoke and list the parties of a project.",
    "key": "Make and list this party's keys.",
    "trust": "Draft, sign, show and pin the trust document.",
    "ledger": "Enter statements, show and check the project's ledger.",
    "policy": "Show and check policies.",
    "oms": "OpenSSF Model Signing bundles, in and out.",
    "demo": "The two case studies, end to end.",
    "doctor": "Tell what is missing here, and how to install it.",
    "digest": "Print the tree digest of a file or folder.",
}


class Lazy(click.Group):
    """Imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a model's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"countermark.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any of them."""
        groups = (("Life of a model", LIFECYCLE), ("Acts of people", PEOPLE), ("What is kept", NOUNS), ("More", OTHERS))
        for title, names in groups:
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name]) for name in names])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="countermark")
def command() -> None:
    """Evidence for trained models that you did not train alone.

    \b
    Without any set-up, on your own files:
      countermark digest FOLDER
      countermark inspect MODEL
      countermark screen PHOTOS --label-from '{supplier}/{label}/*'
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = command.main(arguments, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except CountermarkError as error:
        show.error(error)
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("interrupted; nothing half done was kept", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return USAGE
    except KeyboardInterrupt:
        click.echo("interrupted; nothing half done was kept", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 (the edge: whatever is not ours is a bug of ours, with its own exit code)
        return _bug(error)


def _bug(error: Exception) -> int:
    with tempfile.NamedTemporaryFile("w", prefix="countermark-bug-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    click.echo(f"this is a bug in Countermark ({type(error).__name__}); nothing was judged", err=True)
    click.echo(f"fix: please report it with {file.name}", err=True)
    return BUG
