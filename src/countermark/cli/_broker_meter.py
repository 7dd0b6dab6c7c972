"""`countermark broker meter`: the counts of licences, kept where the host's owner does not reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from countermark import compose
from countermark.cli._answer import Answer, Pairs, Table
from countermark.cli._broker import HOME, broker
from countermark.cli._command import PATH, command
from countermark.cli._show import count
from countermark.errors import Unusable

if TYPE_CHECKING:
    from countermark.broker.home import Home

LOGGED = {True: "yes", False: "not yet: a broker that runs here enters it within seconds, any other when it starts"}


@command("meter", group=broker, examples=[
    "countermark broker meter plant.licence",
    "countermark broker meter plant.licence --end",
])  # fmt: skip
@click.argument("licence", type=PATH)
@click.option("--end", is_flag=True, help="From now on no host gets more under it.")
@HOME
def meter(licence: Path, end: bool, home: Path) -> Answer:
    """Keep the count of a licence that names this broker, or end it; both are felt by a running broker at once, and an end is an entry of its log.

    A host's state is anchored here at each load and each block of queries: one that is put back from a backup, edited or copied to a second host
    is refused; more than 3,600 steps at once, and one a second then, are not taken of a host. Which keys may draw stands in the licence. The owner's signature is not checked here: the digest of a grant names its keys, so that
    a false one opens a meter that no host asks for.
    """
    from dataclasses import replace

    from countermark.broker.admitted import of_licence
    from countermark.broker.home import Home
    from countermark.licence.chain import MOST_FILE_BYTES
    from countermark.lifecycle.desk import read_file

    made = Home.open(home)
    found = of_licence(read_file(licence, MOST_FILE_BYTES), made.log_key())
    kept = made.admitted().admit(replace(found, ended=end))
    logged = {"logged": _logged(made)} if kept.ended else {}
    return Answer(
        f"{'ended' if kept.ended else 'kept'}: the meter of {licence.name}, {count(len(kept.hosts), 'host')}",
        facts={"licence": kept.licence, "hosts": sorted(kept.hosts), "ended": kept.ended, **logged},
        body=[
            Table(("host key",), [(key,) for key in sorted(kept.hosts)]),
            *(Pairs([("in the log", LOGGED[now])]) for now in logged.values()),
        ],
    )


def _logged(made: Home) -> bool:
    """Enter what was ended in the meter log, unless a broker that runs holds it: that one does it itself."""
    from countermark.ledger.stores.disk import BLOCKED

    try:
        with made.meter_log() as log:
            made.meters(log, lambda: compose.clock().timestamp())
    except Unusable as error:
        if error.what != BLOCKED:
            raise
        return False
    return True
