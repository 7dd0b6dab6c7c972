"""SoftHSM2 and swtpm as tests and benchmarks start them: test doubles for a token and a TPM, which protect nothing."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "4711-secret"
HAS_SOFTHSM = bool(shutil.which("softhsm2-util")) and MODULE.exists() and importlib.util.find_spec("pkcs11") is not None
HAS_SWTPM = bool(shutil.which("swtpm")) and importlib.util.find_spec("tpm2_pytss") is not None
NO_SOFTHSM = "needs SoftHSM2 (Debian package softhsm2) and python-pkcs11"
NO_SWTPM = "needs swtpm (Debian packages swtpm, libtss2-dev) and tpm2-pytss"


@functools.cache
def tokens() -> Path:
    """A SoftHSM2 with two tokens, acme and other, and a file with their PIN.

    Its library reads its configuration once in a process, so that there is one for all who ask.
    """
    place = Path(tempfile.mkdtemp(prefix="softhsm-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    (place / "tokens").mkdir()
    (place / "softhsm2.conf").write_text(
        f"directories.tokendir = {place}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(place / "softhsm2.conf")
    for label in ("acme", "other"):
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "so-4711"]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    pin = place / "pin"
    pin.touch(0o600)
    pin.write_text(f"{PIN}\n")
    return place


def at_token(place: Path, label: str, token: str = "acme", pin: str = "pin") -> str:
    """URI of an object in a token."""
    return f"pkcs11:token={token};object={label}?module-path={MODULE}&pin-source=file:{place}/{pin}"


@contextmanager
def software_tpm(place: Path) -> Iterator[str]:
    """A software TPM whose state lies in `place`; its URI's query, without a handle."""
    place.mkdir(exist_ok=True)
    port = _free_pair()
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={place}", "--flags", "not-need-init,startup-clear",
               "--server", f"type=tcp,port={port}", "--ctrl", f"type=tcp,port={port + 1}"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port + 1)
            yield f"tcti=swtpm:host=127.0.0.1,port={port}"
        finally:
            process.terminate()


def _free_pair() -> int:
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            try:
                second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            except OSError:
                continue
            return int(first.getsockname()[1])
    raise RuntimeError("no two ports are free")


def _wait(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("swtpm did not start")
