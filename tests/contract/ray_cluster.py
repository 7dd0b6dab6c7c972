"""A Ray cluster of two nodes on loopback, in processes of its own that end with it; its token is made for it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from countermark.engines.daft import LOOPBACK, QUIET

SERVE = """
import sys
from ray.cluster_utils import Cluster
node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args={**node, "temp_dir": sys.argv[1]})
cluster.add_node(**node)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def local_cluster() -> Iterator[tuple[str, Path]]:
    """Its head as HOST:PORT, and the file of its token."""
    with tempfile.TemporaryDirectory(prefix="cm") as home:
        token = Path(home) / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        # Where Ray notes the cluster's address; it makes this folder for some clusters only.
        (Path(home) / "ray").mkdir()
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = QUIET | LOOPBACK | {
            "HOME": home, "RAY_TMPDIR": home, "PATH": path, "RAY_AUTH_TOKEN_PATH": str(token), "RAY_AUTH_MODE": "token",
            "PYTHONPATH": str(Path(__file__).parent),  # what workers are given must be importable on every node
        }  # fmt: skip
        del environment[
            "DAFT_ANALYTICS_ENABLED"
        ]  # workers must be told by the engine; DO_NOT_TRACK keeps the rest quiet
        log = (Path(home) / "log").open("wb")
        with log, subprocess.Popen([sys.executable, "-c", SERVE, home], env=environment, text=True, cwd=home,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as server:  # fmt: skip
            try:
                assert server.stdout is not None
                lines = iter(server.stdout.readline, "")
                head = next((line.strip() for line in lines if line.startswith("127.0.0.1:")), None)
                assert head is not None, (Path(home) / "log").read_text()[-2000:]
                yield head, token
            finally:
                assert server.stdin is not None
                server.stdin.close()
                server.wait(60)
