"""kill -9 at any moment: what was released is in the log, no request is answered twice, and no rule gives more than it allows."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from broker_world import World

from countermark.errors import PolicyRefused, TrustRefused
from countermark.seal import hpke, keyfile
from countermark.workspace.disk import Disk

SCRIPT = Path(__file__).parents[3] / "attacks" / "broker" / "killed.py"
KILLS, ALLOWED = 8, 300


def test_killed_brokers_never_release_twice(world: World) -> None:
    home = world.home
    for name in ("owner", "host"):
        getattr(world, name).save(home / f"{name}.pem")
    world.log_signer.save(home / "log.pem")
    private = hpke.new_private(hpke.XWING)
    keyfile.save(home / "root.sealkey", private, None, Disk())
    world.root = hpke.HpkeIdentity(private)
    (home / "prelude").write_bytes(world.prelude.to_bytes())
    (home / "asked").mkdir()
    with world.log() as log:
        world.stocked(world.broker(log), world.rule(releases=ALLOWED))
    told: list[str] = []
    rng = random.Random(7)
    for _ in range(KILLS):
        told += _run_and_kill(home, rng.uniform(0.0, 0.3))
    with world.log() as log:
        entries = [entry.challenge for entry in log.records()]
        broker = world.broker(log)
        assert len(set(entries)) == len(entries) <= ALLOWED  # one challenge, one release
        assert set(told) <= set(entries)  # every answer that anybody saw was logged first
        assert told, "nothing was released before the kills; the test shows nothing"
        for asked in sorted((home / "asked").iterdir()):  # all that was ever asked, asked once more
            if asked.name in entries:
                with pytest.raises(TrustRefused, match="used before"):
                    broker.release(asked.read_bytes())
    out = subprocess.run(
        [sys.executable, str(SCRIPT), str(home)], capture_output=True, text=True, timeout=120, check=True
    )
    assert out.stdout.endswith("end\n")
    with world.log() as log:
        assert len(list(log.records())) == ALLOWED  # together with those before the kills, and not one more
        broker = world.broker(log)
        from countermark.broker import prove

        with pytest.raises(PolicyRefused, match="no release left"):
            asked = prove.request(world.asset(), broker.challenge(), prove.ephemeral(), prove.by_key(world.host))
            broker.release(asked.to_bytes())


def _run_and_kill(home: Path, after: float) -> list[str]:
    """Start, wait for the first answer (or not), kill; the whole lines that it printed."""
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline() if after > 0.05 else b""
        time.sleep(after)
        process.kill()
        rest = first + process.stdout.read()
    return [line.decode() for line in rest.split(b"\n")[:-1] if len(line) == 32]
