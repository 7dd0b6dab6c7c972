"""Counting: blocks, windows, crashes, anchors, and sublicences that share what is above them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from licence_world import BEGIN, DAY, Chip, Host, Licensors, Quota, claims, host

from countermark.errors import StatementRefused, Unusable
from countermark.licence import chain as chains
from countermark.licence.anchors import ZERO
from countermark.licence.refusal import LicenceRefused
from countermark.licence.state import MOST_USAGES, Usage, parse
from countermark.licence.store import Store
from countermark.licence.tenure import Tenure
from countermark.statement.predicates.licence_claims import Sublicense


def use(tenure: Tenure, queries: int) -> None:
    if not tenure.take(queries):
        tenure.renew(queries)


def used(tenure: Tenure, most: int = 10_000) -> int:
    """Queries until it refuses."""
    for number in range(most):
        try:
            use(tenure, 1)
        except LicenceRefused as error:
            assert error.claim == "max_queries"
            return number
    return most


@pytest.fixture
def machine(tmp_path: Path, licensors: Licensors) -> Host:
    return host(tmp_path / "plant", licensors, claims(max_queries=Quota(25, DAY)), block=10)


def test_exactly_as_many_queries_as_the_licence_allows(machine: Host) -> None:
    assert used(machine.load()) == 25


def test_a_batch_counts_by_its_pictures_and_is_refused_whole(machine: Host) -> None:
    tenure = machine.load()
    use(tenure, 20)
    with pytest.raises(LicenceRefused) as caught:
        use(tenure, 6)
    assert (caught.value.claim, "at most 25 in" in caught.value.expected) == ("max_queries", True)
    assert used(tenure) == 5, "what was left is still there after a refusal"


def test_a_new_window_opens_and_the_old_one_never_again(machine: Host) -> None:
    tenure = machine.load()
    assert used(tenure) == 25
    machine.sleep(1)
    assert used(tenure) == 25
    machine.now -= 0.9 * DAY
    assert used(machine.load()) == 0


def test_an_orderly_end_loses_nothing_and_a_crash_at_most_a_block(machine: Host) -> None:
    tenure = machine.load()
    use(tenure, 3)
    tenure.close()
    tenure = machine.load()
    use(tenure, 2)
    del tenure  # it dies: 8 of its block of 10 are gone
    assert used(machine.load()) == 25 - 3 - 10


def test_two_processes_share_one_count(machine: Host) -> None:
    one, two = machine.load(), machine.load()
    use(one, 1)
    use(two, 1)
    assert used(one) + used(two) == 23


def test_a_lifetime_quota_outlives_windows(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(max_queries=Quota(25, 0)), block=10)
    assert used(machine.load()) == 25
    machine.sleep(400)
    assert used(machine.load()) == 0


def test_sublicences_draw_on_what_is_above_them(tmp_path: Path, licensors: Licensors) -> None:
    root, one, two = (
        claims(max_queries=Quota(25, 0)),
        claims("line-1", max_queries=Quota(20, 0)),
        claims("line-2", max_queries=Quota(20, 0)),
    )
    one, two = (replace(c, sublicense=replace(c.sublicense, depth=0)) for c in (one, two))
    grant = licensors.chain(root)
    first, second = (host(tmp_path / "plant", licensors, root) for _ in range(2))
    for machine, below in ((first, one), (second, two)):
        link = licensors.grant(below, by=("plant",), parent=grant[0].digest)
        machine.chain = chains.verify([*grant, link], licensors.trust, licensors.world.clock.now)
        machine.block = 5
    assert used(first.load()) == 20
    assert used(second.load()) == 5


def test_loads_and_hosts(tmp_path: Path, licensors: Licensors) -> None:
    machine = host(tmp_path / "plant", licensors, claims(max_loads=2, max_hosts=1))
    machine.load(), machine.load()
    with pytest.raises(LicenceRefused) as caught:
        machine.load()
    assert caught.value.claim == "max_loads"
    roomy = host(tmp_path / "other", licensors, claims(max_hosts=1))
    tenure = roomy.load()
    tenure.meter.load("a" * 64)
    with pytest.raises(LicenceRefused) as caught:
        tenure.meter.load("b" * 64)
    assert caught.value.claim == "max_hosts"


def test_without_an_anchor_the_count_is_advisory_and_says_so(machine: Host) -> None:
    assert machine.tenure().meter.counting.startswith("advisory")
    machine.chip = Chip()
    assert machine.tenure().meter.counting == "anchored in stand-in chip"


@pytest.mark.parametrize("keeps_head", [True, False])
def test_a_restored_state_is_noticed_by_an_anchor(machine: Host, tmp_path: Path, keeps_head: bool) -> None:
    machine.chip = Chip(head=ZERO if keeps_head else None)
    use(machine.load(), 5)
    machine.snapshot(tmp_path / "backup")
    assert used(machine.load()) == 15
    machine.restore(tmp_path / "backup")
    with pytest.raises(LicenceRefused) as caught:
        machine.load()
    assert caught.value.claim == "state"


def test_a_state_that_is_gone_is_noticed_by_an_anchor(machine: Host) -> None:
    machine.chip = Chip()
    machine.load()
    for file in (machine.root / ".countermark" / "licences").iterdir():
        file.unlink()
    with pytest.raises(LicenceRefused) as caught:
        machine.load()
    assert (caught.value.claim, caught.value.seen) == ("state", "none")


def test_an_edited_state_is_noticed_by_an_anchor_with_a_head(machine: Host) -> None:
    machine.chip = Chip()
    use(machine.load(), 25)
    (path,) = (machine.root / ".countermark" / "licences").glob("*.state.json")
    path.write_bytes(path.read_bytes().replace(b'"drawn":25', b'"drawn":0'))
    with pytest.raises(LicenceRefused) as caught:
        machine.load()
    assert caught.value.claim == "state"


def test_a_crash_between_file_and_anchor_is_finished_later(machine: Host) -> None:
    machine.chip = Chip()
    tenure = machine.load()
    machine.chip.fails = 1
    with pytest.raises(Unusable, match="gone"):
        use(tenure, 1)
    again = machine.load()
    assert used(again) == 15, "the block that was written is lost, and no more"


@pytest.mark.parametrize("hold", [True, False])
def test_kill_9_loses_at_most_a_block(machine: Host, licensors: Licensors, hold: bool) -> None:
    """A real process that dies without a word, in the middle of a block."""
    program = textwrap.dedent(f"""
        import os, signal, sys
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from licence_world import Licensors, Host, claims, host, Quota, DAY
        from core_world import World, SECOND, OWNER
        from countermark import compose, dsse
        from countermark.licence import chain as chains
        from countermark.lifecycle.desk import Desk
        from countermark.workspace.place import Workspace
        root = Path({str(licensors.world.root)!r})
        world = World(root)
        world.desks = {{n: Desk(Workspace(root / n), n, world.clock) for n in (OWNER, SECOND)}}
        licensors = Licensors(world)
        machine = host(Path({str(machine.root)!r}), licensors, claims(max_queries=Quota(25, DAY)), block=10)
        tenure = machine.load()
        for _ in range(7):
            tenure.take(1) or tenure.renew(1)
        print("used 7", flush=True)
        os.kill(os.getpid(), signal.SIGKILL) if {hold} else tenure.close()
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ}, check=False
    )
    assert "used 7" in done.stdout, done.stderr
    assert done.returncode == (-signal.SIGKILL if hold else 0), done.stderr
    assert used(machine.load()) == (15 if hold else 18)


def test_the_state_is_private_and_strict(machine: Host) -> None:
    machine.load()
    (path,) = (machine.root / ".countermark" / "licences").glob("*.state.json")
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    state, before, head = parse(data)
    assert (state.sequence, len(before), len(head)) == (2, 32, 32)
    for wrong in (
        b"",
        b"{}",
        data[:-1],
        data.replace(b'"format":1', b'"format":2'),
        data.replace(b'"loads"', b'"lords"'),
    ):
        with pytest.raises(StatementRefused):
            parse(wrong)


def test_a_state_of_another_licence_is_refused(machine: Host) -> None:
    machine.load()
    folder = machine.root / ".countermark" / "licences"
    (path,) = folder.glob("*.state.json")
    path.rename(folder / f"{'e' * 64}.state.json")
    store = Store(machine.space, "e" * 64)
    with store.lock(), pytest.raises(LicenceRefused) as caught:
        store.read()
    assert caught.value.claim == "state" and BEGIN


def test_many_sublicences_under_one_grant_do_not_lock_a_host_out(tmp_path: Path, licensors: Licensors) -> None:
    """A sublicence that is renewed by the month is another link each time; what was drawn under each is kept."""
    grant = licensors.grant(claims(max_queries=Quota(1000, 0)))
    for number in range(20):
        said = claims("edge", sublicense=Sublicense(0, frozenset()), max_loads=100 + number, max_queries=Quota(10, 0))
        links = [grant, licensors.grant(said, by=("plant",), parent=grant.digest)]
        verified = chains.verify(links, licensors.trust, licensors.world.clock.now)
        assert used(Host(tmp_path / "edge", licensors, verified, block=10).load()) == 10
    state = Store(Host(tmp_path / "edge", licensors, verified).space, grant.digest).peek()
    assert state is not None and state.of(grant.digest).drawn == 200


@pytest.mark.parametrize("usage", [
    {f"{number:064x}": Usage(1) for number in range(MOST_USAGES + 1)},
    {f"{number:064x}": Usage(1, hosts=tuple(f"{one:068x}" for one in range(4000))) for number in range(8)},
])  # fmt: skip
def test_a_state_that_could_not_be_read_again_is_not_written(machine: Host, usage: dict[str, Usage]) -> None:
    machine.load()
    store = Store(machine.space, machine.chain.root.digest)
    with store.lock():
        before = store.read()
        assert before is not None
        with pytest.raises(LicenceRefused) as caught:
            store.write(replace(before, usage=usage))
        assert (caught.value.claim, store.read()) == ("state", before)


def test_a_state_that_was_begun_under_another_anchor_is_refused(machine: Host) -> None:
    """A second element whose count fits, or was stepped until it fits, holds nothing of this state."""
    machine.chip = Chip(head=None)
    use(machine.load(), 5)
    machine.chip = replace(machine.chip, name="another chip")
    with pytest.raises(LicenceRefused) as caught:
        machine.load()
    assert (caught.value.claim, caught.value.seen) == ("state", "another chip")
    machine.chip = replace(machine.chip, name="stand-in chip")
    assert used(machine.load()) == 15
