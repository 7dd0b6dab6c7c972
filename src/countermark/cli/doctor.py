"""`countermark doctor`: what is missing on this machine, what that means, and how to install it."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from countermark import __version__
from countermark.cli._answer import FINE, INCONCLUSIVE, Answer, Pairs, Refused
from countermark.cli._command import EXTRAS, command

PURPOSES = {
    "screen": "screening, and decoding pictures at the door",
    "serve": "trials, and serving a model",
    "demo": "the demonstration's own training script",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: of it. ok: it works. purpose: what it is for. why: what was seen. fix: how to mend it.
    """

    name: str
    ok: bool
    purpose: str
    why: str = ""
    fix: str = ""


@command("doctor", examples=["countermark doctor", "countermark doctor --json"])
def doctor() -> Answer:
    """Tell what is missing on this machine, what that means, and how to install it.

    Exit 0: everything works. 3: something is missing; what needs it will say `skipped` or `not hermetic`.
    """
    seen = [*_extras(), _bubblewrap(), _hermetic(), _child()]
    missing = [f for f in seen if not f.ok]
    return Answer(
        f"missing: {', '.join(f.name for f in missing)}" if missing else "everything works",
        INCONCLUSIVE if missing else FINE,
        {"version": __version__, "python": platform.python_version(), "system": platform.platform(),
         "found": [asdict(f) for f in seen]},
        [
            Pairs([("countermark", __version__), ("Python", platform.python_version()), ("system", platform.platform()),
                   *((f.name, "ok" if f.ok else "MISSING") for f in seen)]),
            *([""] if missing else []),
            *(Refused(f"{f.name} (for {f.purpose})", f.why, f.fix) for f in missing),
        ],
    )  # fmt: skip


def _extras() -> list[Finding]:
    out = []
    for extra, purpose in PURPOSES.items():
        absent = [m for m in EXTRAS[extra] if importlib.util.find_spec(m) is None]
        out.append(Finding(f"extra {extra}", not absent, purpose, f"not installed: {', '.join(absent)}" if absent else "",
                           f"pip install 'countermark[{extra}]'"))  # fmt: skip
    return out


def _bubblewrap() -> Finding:
    return Finding(
        "bubblewrap", shutil.which("bwrap") is not None, "running training scripts confined",
        "there is no bwrap on the path", "apt-get install bubblewrap   (dnf, pacman: the same name)",
    )  # fmt: skip


def _hermetic() -> Finding:
    """Whether a training run here can be called hermetic: the very probe that training uses."""
    from countermark.sandbox.plan import Plan
    from countermark.sandbox.probe import probe

    with tempfile.TemporaryDirectory(prefix="countermark-doctor-") as name:
        report = probe(Plan(("python", "-c", "pass"), {}, Path(name), "/job/out", "/job"))
    fix = "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or the AppArmor profile of bwrap)"
    purpose = "`train` to show that nothing but the declared inputs was read"
    return Finding("hermetic training", report.passed, purpose, "; ".join(report.reasons), fix)


def _child() -> Finding:
    """What confines the child that reads hostile bytes."""
    from countermark.sandbox.pipe import Child

    with Child() as child:
        missing = child.confinement.missing
    return Finding(
        "confined reading", not missing, "reading hostile files far from keys", "; ".join(missing),
        "Linux 5.13 or newer with seccomp and Landlock; elsewhere files are still read by bounded parsers in a child",
    )  # fmt: skip
