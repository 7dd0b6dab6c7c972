"""Attacks on the time and the count of a licence by whoever has the host: each is tried on files alone, with a chip, and with a broker that counts.

    python attacks/licence/time_attacks.py            # prints the table
    python attacks/licence/time_attacks.py --write    # and puts it into docs/reference/formats/licence-time.md

The chip is the stand-in of `licence_world.Chip`: it has the semantics of TPM2_ReadClock and of an NV index, and no snapshot takes
it along. A software TPM (swtpm) is a test double as well, and so would not make these results stronger. The broker is the real one, as a library.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from licence_world import BEGIN, DAY, Chip, Host, Licensors, Quota, Revocation, claims, host, lease
from meter_world import Counted, metered

from countermark.errors import CountermarkError
from countermark.licence.anchors import ZERO
from countermark.licence.carried import Words
from countermark.licence.refusal import LicenceRefused

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats" / "licence-time.md"
BEGINS, ENDS = "<!-- table: begin -->\n", "<!-- table: end -->\n"
HONEST, GAINED = "not refused, and nothing is gained", "not detectable without a TPM"
KINDS: dict[str, Callable[[], Chip | None]] = {
    "files alone": lambda: None,
    "chip with clock and counter": lambda: Chip(head=None),
    "chip with clock and extend index": lambda: Chip(head=ZERO),
}

BROKER = "files, and a broker that counts"
UNTOLD = "not noticed by a broker"


@dataclass
class Case:
    """A plant with a lease of 30 and 7 days and 100 queries for life, where it has used both for a while."""

    machine: Host
    place: Path

    def keep(self) -> None:
        self.machine.snapshot(self.place / "kept")

    def put_back(self) -> None:
        self.machine.restore(self.place / "kept")

    def use(self, queries: int = 1) -> None:
        tenure = self.machine.load()
        tenure.renew(queries)
        tenure.close()


def two_days(case: Case) -> None:
    """The clock is set back two days, ten days after the last word of the licensor."""
    case.machine.sleep(10)
    case.use()
    case.machine.now -= 2 * DAY
    case.use()


def two_years(case: Case) -> None:
    """The clock is set back two years, to before the licence was issued."""
    case.use()
    case.machine.now -= 730 * DAY
    case.use()


def two_years_with_old_files(case: Case) -> None:
    """The clock is set back two years and the files of that day are put back; the beacons of the years since lie there."""
    case.use()
    case.keep()
    case.machine.now += 730 * DAY
    beacons = b"".join(case.machine.licensors.beacon(BEGIN + days * DAY) for days in range(20, 740, 20))
    case.machine.words = Words(beacons=beacons)
    case.put_back()
    case.machine.now -= 730 * DAY
    if case.machine.chip:
        case.machine.chip.milliseconds += 400 * DAY * 1000
    case.use()


def a_little_each_day(case: Case) -> None:
    """While it runs the clock is set back by 21 hours each day, for sixty days."""
    tenure = case.machine.load()
    for day in range(60):
        case.machine.sleep(1)
        case.machine.now = BEGIN + (day + 1 - 0.9) * DAY
        tenure.renew(1)


def held(case: Case) -> None:
    """The clock is held at one day, and the process started anew each day, for sixty days."""
    case.use()
    for _ in range(60):
        case.machine.sleep(0.9, clock=False)
        case.use()


def held_by_reboot(case: Case) -> None:
    """The same, and the machine is started anew each day with its clock set back."""
    case.use()
    for _ in range(60):
        case.machine.sleep(0.9, clock=False)
        case.machine.reboot()
        case.use()


def deleted(case: Case) -> None:
    """All state is deleted, so that 90 used queries are forgotten."""
    case.use(90)
    for file in (case.machine.root / ".countermark" / "licences").iterdir():
        file.unlink()
    case.use(90)


def backup(case: Case) -> None:
    """The state is put back from a backup of before 90 queries; the clock is right."""
    case.use()
    case.keep()
    case.use(90)
    case.put_back()
    case.use(90)


def backup_after_lapse(case: Case) -> None:
    """The state is put back from a backup of the first day, and the clock set back to that day, when the lease has lapsed."""
    case.use()
    case.keep()
    case.machine.sleep(40)
    case.put_back()
    case.machine.now -= 40 * DAY
    case.use()


def backup_after_lapse_and_reboot(case: Case) -> None:
    """The same, and the machine is started anew."""
    case.use()
    case.keep()
    case.machine.sleep(40)
    case.put_back()
    case.machine.now -= 40 * DAY
    case.machine.reboot()
    case.use()


def snapshot(case: Case) -> None:
    """A snapshot of the machine (files and clock; no process that drew queries) is resumed again and again."""
    case.use()
    case.keep()
    for _ in range(3):
        case.use(90)
        case.machine.sleep(36)
        case.put_back()
        case.machine.now -= 36 * DAY
        case.machine.ran -= 36 * DAY


def edited(case: Case) -> None:
    """The newest state is edited: used queries are set to nought, everything else is kept."""
    case.use(90)
    (path,) = (case.machine.root / ".countermark" / "licences").glob("*.state.json")
    path.write_bytes(path.read_bytes().replace(b'"drawn":90', b'"drawn":0'))
    case.use(90)


def withheld(case: Case) -> None:
    """The list that revokes the licence is withheld, and no beacon is brought any more, for sixty days."""
    case.use()
    case.machine.sleep(60)
    case.use()


def withheld_with_beacons(case: Case) -> None:
    """The list that revokes the licence is withheld, but beacons are brought."""
    case.use()
    case.machine.sleep(20)
    case.machine.words = Words(
        beacons=case.machine.licensors.beacon(BEGIN + 20 * DAY, epoch=2), lists=case.machine.words.lists
    )
    case.use()


def forged(case: Case) -> None:
    """Beacons signed with the licensee's own key are brought when the lease has lapsed."""
    case.use()
    case.machine.sleep(40)
    case.machine.words = Words(
        beacons=case.machine.licensors.beacon(BEGIN + 39 * DAY, by="plant"), lists=case.machine.words.lists
    )
    case.use()


ATTACKS: tuple[Callable[[Case], None], ...] = (
    two_days, two_years, two_years_with_old_files, a_little_each_day, held, held_by_reboot, deleted, backup, backup_after_lapse, backup_after_lapse_and_reboot, snapshot, edited,
    withheld, withheld_with_beacons, forged,
)  # fmt: skip


def outcome(attack: Callable[[Case], None], licensors: Licensors, place: Path, chip: Chip | None) -> str:
    """What came of it: the claim by which it was refused, or that it was not."""
    said = claims(lease=lease(30, 7), max_queries=Quota(100, 0), revocation=Revocation("list", 1))
    machine = host(place / "plant", licensors, said, chip=chip)
    return tried(attack, machine, place, GAINED if chip is None else "not noticed by a counter alone")


def counted(attack: Callable[[Case], None], licensors: Licensors, place: Path) -> str:
    """The same with a broker; the attacker has the host's files and key, and not the broker's."""
    broker = Counted(place / "broker")
    with broker.meters() as meters:
        more = {"lease": lease(30, 7), "revocation": Revocation("list", 1)}
        machine = metered(place / "plant", licensors, broker, meters.answer, block=1000, **more)
        broker.clock = lambda: machine.true
        return tried(attack, machine, place, UNTOLD)


def tried(attack: Callable[[Case], None], machine: Host, place: Path, gained: str) -> str:
    """Try it on a machine."""
    machine.words = Words(lists=machine.licensors.revocations(1, days=3650))
    try:
        attack(Case(machine, place))
    except LicenceRefused as error:
        return f"refused: `{error.claim}`"
    except CountermarkError as error:
        return f"refused: {error.what}"
    return gained


def table(place: Path) -> str:
    """The rows, in Markdown."""
    licensors = Licensors.make(place / "world")
    names = (*KINDS, BROKER)
    lines = ["| attack | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for attack in ATTACKS:
        text = " ".join((attack.__doc__ or "").split()).rstrip(".")
        cells = [
            outcome(attack, licensors, place / f"{attack.__name__}-{at}", make())
            for at, make in enumerate(KINDS.values())
        ]
        cells.append(counted(attack, licensors, place / f"{attack.__name__}-broker"))
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = table(Path(folder))
    print(made)
    if "--write" in sys.argv:
        page = PAGE.read_text()
        head, tail = page.split(BEGINS)[0], page.split(ENDS)[1]
        PAGE.write_text(head + BEGINS + made + ENDS + tail)


if __name__ == "__main__":
    main()
