"""``countermark policy``."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.cli import show
from countermark.cli.options import EXISTING


def read(path: Path | None) -> bytes:
    """A policy file's bytes, or the shipped policy's."""
    from importlib.resources import files

    from countermark.lifecycle.desk import read_file

    return read_file(path) if path else (files("countermark.policy") / "default.toml").read_bytes()


@click.group("policy")
def command() -> None:
    """Show and check policies.

    \b
    Examples:
      countermark policy show > policy.toml
      countermark policy check policy.toml
    """


@command.command("show")
def show_() -> None:
    """Print the policy that ships with Countermark."""
    click.echo(read(None).decode(), nl=False)


@command.command("check")
@click.argument("file", type=EXISTING)
def check(file: Path) -> None:
    """Parse a policy strictly and bound its rules; prints the digest that a trust document names."""
    from countermark.policy import _bounds
    from countermark.policy.document import Policy

    policy = Policy.from_bytes(read(file))
    for rule in policy.rules:
        _bounds.check(rule.id, rule.require, {})
    show.lines(f"{len(policy.rules)} rules, {len(policy.checks)} checks, {len(policy.trials)} trials")
    show.verdict(f"{policy.digest}  {file}", good=True)
