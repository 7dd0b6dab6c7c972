"""`training/shell`: a shell runs what a text says."""

from __future__ import annotations

from collections.abc import Iterator

from countermark.checks.training._program import ABSENT, Program
from countermark.checks.training._rule import Hit, Rule

_ALWAYS = ("os.system", "os.popen", "os.popen2", "os.popen3", "os.popen4", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput",
           "commands.getstatusoutput", "pty.spawn", "asyncio.create_subprocess_shell", "platform.popen", "fabric.Connection", "invoke.run", "plumbum.local", "sh.bash", "sh.sh", "torch.utils.collect_env.run")  # fmt: skip
_STARTERS = (
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.Popen",
)


_MAGICS = (
    "IPython.get_ipython().system", "IPython.get_ipython().getoutput", "IPython.get_ipython().run_*", "*.run_line_magic", "*.run_cell_magic",
)  # fmt: skip


def _find(program: Program) -> Iterator[Hit]:
    for code, name, node in program.references(*_ALWAYS):
        yield Hit(code, node, f"{name} hands a text to a shell")
    for call in program.calls(*_MAGICS):
        yield Hit(call.code, call.node, f"{call.shown} runs what a notebook's shell would")
    for call in program.calls(*_STARTERS):
        given = call.value("shell", 8)
        if given is not False and given is not ABSENT and given != 0:
            yield Hit(call.code, call.node, f"{call.name} with a shell")


RULE = Rule(
    "training/shell", "high", _find,
    why="a shell reads the text anew: a file name or a setting with a semicolon becomes a command",
    fix="do it in Python; what a run needs is an input of the recipe",
    cannot_tell="what the text is when it runs",
    bandit=("B602", "B605", "B604"),
)  # fmt: skip
