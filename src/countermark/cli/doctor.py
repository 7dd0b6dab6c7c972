"""`countermark doctor`: what is missing on this machine, what that means, and how to install it."""

from __future__ import annotations

import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from countermark import __version__
from countermark.cli import _extras
from countermark.cli._answer import FINE, INCONCLUSIVE, Answer, Pairs, Refused
from countermark.cli._command import command

PURPOSES = {
    "screen": "screening, and decoding pictures at the door",
    "serve": "trials, and serving a model",
    "demo": "the demonstration's own training script",
    "daft": "screening over Daft",
    "ray": "screening on a Ray cluster, by Daft",
    "age": "recipients of age, in and out of sealed assets",
    "attest": "a broker that reads SGX and TDX quotes",
    "jwe": "sealed assets as JWE for servers that take it",
    "croissant": "the Croissant library's own reading, beside ours",
    "decoders": "a second decoder, to compare pictures",
    "dicom": "what DICOM files tell, and leaving it out",
    "datasets": "rows inside Parquet and Arrow files",
    "kms": "keys in AWS KMS or HashiCorp Vault",
    "load": "loading verified tensors as NumPy arrays",
    "pkcs11": "keys in a hardware token (PKCS#11)",
    "sigstore": "signing without a key (Sigstore)",
    "tables": "screening tables, and schemas of them by pandera",
    "team": "a ledger in an object store, and an index on a PostgreSQL",
    "torch": "loading verified tensors into PyTorch, and features of a small network or a torch module",
    "tpm": "keys in this machine's TPM",
}
"""What each extra is for; a test compares them with the metadata."""
_WORKS = "everything that the main job needs works"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: of it. ok: it works. purpose: what it is for. why: what was seen. fix: how to mend it.
        asked: the main job needs it; what serves one purpose alone is only listed.
    """

    name: str
    ok: bool
    purpose: str
    why: str = ""
    fix: str = ""
    asked: bool = True

    @property
    def state(self) -> str:
        """In one word or two."""
        return "ok" if self.ok else "MISSING" if self.asked else "not installed"


@command("doctor", examples=["countermark doctor", "countermark doctor --json"])
def doctor() -> Answer:
    """Tell what is missing on this machine, what that means, and how to install it.

    Exit 0: everything that the main job needs works. 3: something of it is missing; what needs it will say `skipped` or
    `not hermetic`. Extras for one purpose each (keys in a token, tables, PyTorch, ...) are listed with what they are for.
    """
    seen = [*_listed(), _bubblewrap(), _hermetic(), _child()]
    missing = [f for f in seen if not f.ok and f.asked]
    optional = [f for f in seen if not f.ok and not f.asked]
    return Answer(
        f"missing: {', '.join(f.name for f in missing)}" if missing else _WORKS if optional else "everything works",
        INCONCLUSIVE if missing else FINE,
        {"version": __version__, "python": platform.python_version(), "system": platform.platform(),
         "found": [asdict(f) for f in seen]},
        [
            Pairs([("countermark", __version__), ("Python", platform.python_version()), ("system", platform.platform()),
                   *((f.name, f.state if f.ok or f.asked else f"{f.state}: for {f.purpose}") for f in seen)]),
            *([f"each by its name: {optional[0].fix}"] if optional else []),
            *([""] if missing else []),
            *(Refused(f"{f.name} (for {f.purpose})", f.why, f.fix, "missing") for f in missing),
        ],
    )  # fmt: skip


def _listed() -> list[Finding]:
    """Every extra that this installation's metadata name."""
    known = _extras.extras()
    if not known:
        why = "the program runs without having been installed as a package"
        return [Finding("extras", False, "knowing which there are", why, "pip install countermark")]
    out = []
    for extra in known:
        absent, purpose = _extras.absent(extra), PURPOSES.get(extra, "what its name says")
        out.append(Finding(f"extra {extra}", not absent, purpose, f"not installed: {', '.join(absent)}" if absent else "",
                           f"pip install 'countermark[{extra}]'", extra in _extras.MAIN))  # fmt: skip
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
