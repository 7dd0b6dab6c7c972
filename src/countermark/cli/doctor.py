"""``countermark doctor``."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
from pathlib import Path

import click

from countermark import __version__
from countermark.cli import show
from countermark.cli.options import json_option

EXTRAS = {
    "screen": (("numpy", "PIL", "sklearn", "scipy"), "screening, decoding pictures"),
    "serve": (("onnxruntime", "uvicorn"), "trials, serving models"),
    "demo": (("onnx",), "the demonstration's training script"),
    "torch": (("torch",), "models in PyTorch"),
}


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """Tell what is missing here, what that means, and how to install it.

    \b
    Example:
      countermark doctor
    """
    rows = [*_extras(), _sandbox(), _child()]
    missing = [r for r in rows if not r["ok"] and r["needed"]]
    if as_json:
        show.as_json({"version": __version__, "python": platform.python_version(), "rows": rows})
    else:
        show.lines(f"countermark {__version__}, Python {platform.python_version()}, {platform.platform()}")
        for row in rows:
            show.lines(f"{'ok     ' if row['ok'] else 'missing'}  {row['name']:<20} {row['for']}")
            if not row["ok"]:
                show.lines(f"         why: {row['why']}", f"         fix: {row['fix']}")
        show.verdict("everything is here" if not missing else f"{len(missing)} things are missing", good=not missing)
    if missing:
        raise click.exceptions.Exit(3)


def _extras() -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for extra, (modules, purpose) in EXTRAS.items():
        absent = [m for m in modules if importlib.util.find_spec(m) is None]
        fix = "pip install torch==2.13.0" if extra == "torch" else f"pip install 'countermark[{extra}]'"
        out.append({"name": f"extra {extra}", "ok": not absent, "for": purpose, "why": f"absent: {', '.join(absent)}",
                    "fix": fix, "needed": extra != "torch"})  # fmt: skip
    return out


def _sandbox() -> dict[str, object]:
    """Whether a training run here can be called hermetic: the very probe that training uses."""
    from countermark.sandbox.plan import Plan
    from countermark.sandbox.probe import probe

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = probe(Plan(("python", "-c", "pass"), {}, folder, "/work/out", "/work"))
    why = "; ".join(report.reasons) or ("bubblewrap is absent" if shutil.which("bwrap") is None else "")
    return {"name": "hermetic training", "ok": report.passed, "for": "`train` can claim that nothing else was read",
            "why": why, "fix": "apt-get install bubblewrap, and allow user namespaces", "needed": True}  # fmt: skip


def _child() -> dict[str, object]:
    """What confines the child that reads hostile bytes."""
    from countermark.sandbox.pipe import Child

    with Child() as child:
        missing = child.confinement.missing
    return {"name": "confined reading", "ok": not missing, "for": "hostile files are read far from keys",
            "why": "; ".join(map(str, missing)), "fix": "a Linux kernel with seccomp and Landlock (5.13 or newer)", "needed": True}  # fmt: skip
