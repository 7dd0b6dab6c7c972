"""Group commit: whole submissions, in order, nobody left waiting, every failure told to all it concerns."""

from __future__ import annotations

import threading
import time

import pytest

from countermark.errors import Unusable
from countermark.ledger.groups import GroupCommit


class Recorder:
    """Commits by noting the group; slow enough that others queue up behind it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.groups: list[list[int]] = []
        self.seconds = seconds
        self.busy = threading.Lock()

    def __call__(self, items: list[int]) -> list[int]:
        assert self.busy.acquire(blocking=False), "two commits at once"
        try:
            time.sleep(self.seconds)
            if -1 in items:
                raise Unusable("told to fail")
            self.groups.append(items)
            return [item * 10 for item in items]
        finally:
            self.busy.release()


def _run(count: int, work: object) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_concurrent_submissions_share_commits_and_get_their_own_results() -> None:
    recorder = Recorder(0.005)
    groups = GroupCommit(recorder, limit=1000, gather_s=0.002)
    results: dict[int, list[int]] = {}

    def work(n: int) -> None:
        for turn in range(5):
            item = n * 100 + turn * 2
            results[item] = groups.submit([item, item + 1])

    _run(16, work)
    assert results == {item: [item * 10, (item + 1) * 10] for item in results}
    assert len(results) == 80
    assert sum(len(group) for group in recorder.groups) == 160
    assert len(recorder.groups) < 60
    for group in recorder.groups:  # every submission is whole and in order
        assert all(group[at] + 1 == group[at + 1] for at in range(0, len(group), 2))


def test_groups_keep_to_the_limit_unless_one_submission_is_larger() -> None:
    recorder = Recorder(0.002)
    groups = GroupCommit(recorder, limit=4)
    _run(20, lambda n: groups.submit([n, n, n]))
    assert groups.submit(list(range(9))) == [n * 10 for n in range(9)]
    assert max(len(group) for group in recorder.groups[:-1]) <= 4
    assert len(recorder.groups[-1]) == 9


def test_a_failure_reaches_every_caller_of_the_group_and_no_other() -> None:
    recorder = Recorder(0.02)
    groups = GroupCommit(recorder, limit=3)
    failed: list[int] = []

    def work(n: int) -> None:
        try:
            groups.submit([-1 if n == 7 else n])
        except Unusable:
            failed.append(n)

    _run(12, work)
    kept = [item for group in recorder.groups for item in group]
    assert 7 in failed
    assert len(failed) <= 3
    assert sorted(kept + failed) == list(range(12))


def test_an_interrupted_leader_leaves_nobody_waiting() -> None:
    started, go_on = threading.Event(), threading.Event()

    def commit(items: list[int]) -> list[int]:
        if items == [0]:
            started.set()
            go_on.wait(10)
            raise KeyboardInterrupt
        return items

    groups: GroupCommit[int, int] = GroupCommit(commit, limit=1)
    outcomes: dict[int, object] = {}

    def work(n: int) -> None:
        try:
            outcomes[n] = groups.submit([n])
        except (KeyboardInterrupt, Unusable) as error:
            outcomes[n] = type(error)

    leader, follower = (threading.Thread(target=work, args=(n,)) for n in (0, 1))
    leader.start()
    assert started.wait(10)
    follower.start()
    go_on.set()
    leader.join(10)
    follower.join(10)
    assert outcomes == {0: KeyboardInterrupt, 1: [1]}


def test_a_lone_caller_is_not_kept_waiting() -> None:
    groups = GroupCommit(Recorder(), gather_s=0.2)
    begin = time.monotonic()
    for n in range(20):
        assert groups.submit([n]) == [n * 10]
    assert time.monotonic() - begin < 2.0
    with pytest.raises(Unusable):
        groups.submit([-1])
    assert groups.submit([3]) == [30]
