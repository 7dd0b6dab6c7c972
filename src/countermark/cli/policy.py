"""`countermark policy`: show the policy that ships, check one that somebody wrote."""

from __future__ import annotations

from pathlib import Path

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs, Table, Verbatim
from countermark.cli._command import PATH, command


@click.group()
def policy() -> None:
    """What must have been shown before a model is admitted."""


@command("show", group=policy, examples=["countermark policy show", "countermark policy show --out policy.toml"])
@click.option("--out", type=PATH, metavar="FILE", help="Write it to a new file instead.")
def show(out: Path | None) -> Answer:
    """Print the policy that ships with Countermark."""
    from countermark import canonical

    source = compose.default_policy()
    digest = canonical.sha256_hex(source)
    if out is not None:
        with out.open("xb") as file:
            file.write(source)
    return Answer(
        f"written: {out}" if out else f"# SHA-256 {digest}",
        facts={"digest": digest, "policy": source.decode(), "file": str(out) if out else None},
        body=[] if out else [Verbatim(source.decode().splitlines())],
    )


@command("check", group=policy, examples=["countermark policy check policy.toml"])
@click.argument("file", type=PATH)
def check(file: Path) -> Answer:
    """Parse a policy strictly, as a release would; print the digest that a trust document names."""
    from countermark.lifecycle.desk import read_file
    from countermark.policy.document import Policy

    read = Policy.from_bytes(read_file(file))
    rules = [(rule.id, rule.asset, rule.why) for rule in read.rules]
    return Answer(
        f"well formed: {len(rules)} rules, {len(read.checks)} checks, {len(read.trials)} trials",
        facts={"digest": read.digest, "rules": [r[0] for r in rules]},
        body=[Table(("rule", "asset", "why"), rules), "", Pairs([("SHA-256", read.digest)])],
    )
