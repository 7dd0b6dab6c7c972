"""`training/process`: another program is started."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import Program
from countermark.checks.training._rule import Hit, Rule

_STARTERS = (
    "subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen", "os.execl", "os.execle",
    "os.execlp", "os.execlpe", "os.execv", "os.execve", "os.execvp", "os.execvpe", "os.spawnl", "os.spawnle", "os.spawnlp", "os.spawnlpe", "os.spawnv",
    "os.spawnve", "os.spawnvp", "os.spawnvpe", "os.posix_spawn", "os.posix_spawnp", "os.startfile", "asyncio.create_subprocess_exec",
    "multiprocessing.util.spawnv_passfds", "_posixsubprocess.fork_exec", "distutils.spawn.spawn", "setuptools._distutils.spawn.spawn",
    "webbrowser.open", "uuid._get_command_stdout", "mlflow.projects.run", "pexpect.spawn", "pexpect.run",
)  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_STARTERS):
        yield Hit(code, node, f"{name} starts another program")


RULE = Rule(
    "training/process", "medium", _find,
    why="the program is not part of the recipe: nobody signed it, and its version is the machine's",
    fix="use a library that the lock pins",
    cannot_tell="what the program does",
    bandit=("B603", "B606", "B607"),
)  # fmt: skip
