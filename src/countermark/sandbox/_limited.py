"""Sets limits on itself and becomes another program: ``python -I _limited.py REQUEST ARGV...``.

Done in a process of its own because code between fork and exec is not safe in a threaded parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """``argv[1]``: JSON object with ``limits`` (RLIMIT name to value) and ``environment`` (all of it);
    the rest: the program's absolute path and its arguments.
    """
    import resource

    request = json.loads(sys.argv[1])
    for name, value in request["limits"].items():
        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (limit, limit))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The environment that a program starts with stays readable in /proc even after it clears it.
    os.execve(sys.argv[2], sys.argv[2:], request["environment"])  # noqa: S606 (a list, no shell)


if __name__ == "__main__":
    main()
