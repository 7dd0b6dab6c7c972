"""Train: run the user's unchanged script on verified inputs, and say what came out of what.

Inputs are copied into a private stage while they are hashed, and the stage is what the script sees: the
bytes that were hashed are the bytes that trained. How hermetic the run was is decided by a probe.
"""

from __future__ import annotations

import contextlib
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from countermark import canonical, dsse
from countermark.artefact import recipe as recipes
from countermark.artefact.environment import digest_environment
from countermark.artefact.folder import read_folder
from countermark.artefact.recipe import Recipe
from countermark.artefact.tree import Tree, TreeEntry, compare, tree_of
from countermark.errors import SandboxRefused, TreeRefused, TrustRefused, Unusable
from countermark.lifecycle import parcel, seal, under_seal
from countermark.lifecycle.desk import Desk, read_file
from countermark.lifecycle.under_seal import Room, UnderSeal
from countermark.passport.slip import Slip, addressed_to, verify
from countermark.sandbox.dry_run import DryRun, what_was_denied
from countermark.sandbox.hermetic import HermeticRun, run_hermetic
from countermark.sandbox.plan import Plan, ScriptLimits, foreign_packages, system_paths
from countermark.sandbox.process import Relay
from countermark.statement.predicates import training
from countermark.statement.predicates.training import Training
from countermark.statement.statement import EVERYBODY, Statement

GUEST = "/job"
SUFFIX = ".training.json"
MAX_METRICS_BYTES = 1 << 20
Step = Callable[[str], None]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run: the model's folder (sealed file, under seal) and tree, the signed training statement, and the run itself."""

    folder: Path
    tree: Tree
    envelope: dsse.Envelope
    said: Training
    run: HermeticRun
    room: Room | None = None


def train(
    desk: Desk,
    recipe_path: Path,
    command: Sequence[str],
    output: Path,
    *,
    allow_plain: bool = False,
    relay: Relay | None = None,
    under: UnderSeal | None = None,
    step: Step | None = None,
) -> Trained:
    """Run `command` by the recipe; the model folder is moved to `output`, its statement lies beside it.

    Args:
        recipe_path: recipe.toml; inputs and code are relative to its folder. An input with a ``.cmdelivery``
            file beside it must be exactly what a data owner delivered to this party.
        output: new folder for what the script writes. allow_plain: run without confinement where there is none;
            the statement then says ``not hermetic``. under: opens sealed inputs in memory, and seals what comes of them: then
            ``output.cmsealed`` is written. step: told the name of each step as it begins.

    Raises:
        SandboxRefused: not hermetic and `allow_plain` is false, or the script failed.
        TreeRefused, TrustRefused, StatementRefused: an input or the recipe does not hold.
        Unusable: something is missing or cannot be written.
    """
    target = output if under is None else output.with_name(output.name + seal.SUFFIX)
    if target.exists():
        raise Unusable(f"{target} exists", mend="name a new folder")
    with contextlib.ExitStack() as stack:
        room = stack.enter_context(under_seal.room(desk, under)) if under else None
        return _run(desk, recipe_path, command, output, _Inside(allow_plain, relay, under, room, step))


@dataclass(frozen=True, slots=True)
class _Inside:
    """How a run is confined, and where its plaintext lies."""

    allow_plain: bool
    relay: Relay | None
    under: UnderSeal | None = None
    room: Room | None = None
    step: Step | None = None

    def begin(self, what: str) -> None:
        """Tell whoever watches which step begins."""
        if self.step is not None:
            self.step(what)


def _run(desk: Desk, recipe_path: Path, command: Sequence[str], output: Path, inside: _Inside) -> Trained:
    home, recipe = _read_recipe(recipe_path)
    started = desk.stamp()
    inside.begin("reading interpreter and packages")
    environment = _environment(desk)
    name = canonical.sha256_hex(str(output.absolute()).encode())[:8]
    stage, inputs = _stage(desk, home, recipe, name, inside, environment, command)
    inputs["environment"] = environment
    out = stage / "out"
    inside.begin("running the script")
    run = run_hermetic(_plan(recipe, command, stage, out), allow_plain=inside.allow_plain, relay=inside.relay)
    if not run.succeeded:
        raise SandboxRefused(
            f"the training script did not end well ({run.ended_by or f'exit code {run.returncode}'})",
            why=run.stderr.strip()[-600:],
            mend="mend the script, or declare what it was denied as an input of the recipe",
        )
    tree = read_folder(out)
    said = Training(
        context=desk.context(EVERYBODY),
        trainer=desk.party,
        recipe=recipe.digest,
        parameters=recipe.parameters,
        command=tuple(command),
        inputs=inputs,
        level=run.level,
        reasons=run.reasons,
        probe={a.name: "refused" if a.refused else a.how for a in run.probe.attempts},
        environment=_described(home, recipe),
        metrics=_metrics(out / recipe.metrics),
        started=started,
        finished=desk.stamp(),
    )
    envelope = desk.sign(Statement("model", tree.digest, training.TYPE, said.to_json()))
    if inside.under is not None:
        sealed = output.with_name(output.name + seal.SUFFIX)
        under_seal.seal_model(out, sealed, inside.under)
        desk.space.disk.write(beside(output), envelope.to_bytes(), mode=0o644)
        output = sealed
    else:
        _hand_over(desk, out, output, envelope)
    desk.space.disk.discard(stage)
    return Trained(output, tree, envelope, said, run, inside.room)


def rehearse(desk: Desk, recipe_path: Path, command: Sequence[str], step: Step | None = None) -> DryRun:
    """Run `command` in the sandbox of its recipe, throw its output away, and tell what it was denied; signs nothing.

    Args:
        step: as `train`.

    Raises:
        SandboxRefused: it could not start confined. TreeRefused, TrustRefused, StatementRefused: an input or the
        recipe does not hold. Unusable: something is missing.
    """
    home, recipe = _read_recipe(recipe_path)
    inside = _Inside(False, None, step=step)
    stage, _ = _stage(desk, home, recipe, "rehearsal", inside, "", command)
    inside.begin("running the script")
    seen = what_was_denied(_plan(recipe, command, stage, stage / "out"))
    desk.space.disk.discard(stage)
    return seen


def beside(model: Path) -> Path:
    """Where a model folder's training statement lies."""
    return model.with_name(model.name + SUFFIX)


def _hand_over(desk: Desk, out: Path, output: Path, envelope: dsse.Envelope) -> None:
    desk.space.disk.folder(output.parent)
    desk.space.disk.write(beside(output), envelope.to_bytes(), mode=0o644)
    desk.space.disk.move(out, output)


def _read_recipe(path: Path) -> tuple[Path, Recipe]:
    """The folder that a recipe's paths are relative to, and the recipe."""
    if not path.exists():
        raise Unusable(
            f"there is no recipe at {path}",
            mend="write it beside the script: format = 1 and name; [code] files; [inputs] train; [output] folder, model and metrics",
        )
    return path.parent, recipes.parse(read_file(path, recipes.MAX_BYTES))


def claims(desk: Desk, recipe_path: Path, command: Sequence[str], policy: str) -> dict[str, str]:
    """What a run under seal would bind itself to, for owners to name in their rules; nothing is run or opened.

    Raises:
        As `train`, of recipe and code.
    """
    home, recipe = _read_recipe(recipe_path)
    stage = desk.space.folder("runs") / f"{recipe.digest[:12]}-claims"
    desk.space.disk.discard(stage)
    code = _stage_code(desk, home, recipe, stage / "inputs")
    desk.space.disk.discard(stage)
    return under_seal.claims(recipe.digest, code, _environment(desk), command, policy)


def _stage(
    desk: Desk, home: Path, recipe: Recipe, run: str, inside: _Inside, environment: str, command: Sequence[str]
) -> tuple[Path, dict[str, str]]:
    """A fresh private stage with an empty ``out`` and everything the script may see; digests by name."""
    stage = (inside.room.folder if inside.room else desk.space.folder("runs")) / f"{recipe.digest[:12]}-{run}"
    desk.space.disk.sweep(stage.parent)  # what a run that was killed while it cleared its stage away left
    desk.space.disk.discard(stage)
    inside.begin("copying inputs")
    code = _stage_code(desk, home, recipe, stage / "inputs")
    inputs = {}
    for name, path in recipe.inputs.items():
        source, target = home / path, stage / "inputs" / path
        if inside.under is not None and name in inside.under.inputs:
            claimed = under_seal.claims(recipe.digest, code, environment, command, inside.under.policy)
            inputs[name] = under_seal.open_input(source, target, inside.under, claimed)
        else:
            inputs[name] = _stage_input(desk, source, target)
    inputs["code"] = code
    desk.space.disk.folder(stage / "out")
    return stage, inputs


def _stage_input(desk: Desk, source: Path, target: Path) -> str:
    """Copy an input while hashing it; returns its tree digest."""
    disk = desk.space.disk
    made = {disk.folder(target)}

    def keep(entry: TreeEntry, data: bytes) -> None:
        place = target / entry.path
        if place.parent not in made:
            made.add(disk.folder(place.parent))
        disk.add(place, data, mode=0o700 if entry.executable else 0o600)

    seen = read_folder(source, sink=keep)
    if parcel.beside(source).exists():
        _delivered(desk, source, seen)
    return seen.digest


def _delivered(desk: Desk, source: Path, seen: Tree) -> None:
    """The input must be what a data owner signed for this party."""
    piece = parcel.read(source)
    trust = desk.trust()
    shown = addressed_to(verify(Slip(piece.envelope), trust, desk.now(), logged=False), desk.party)
    if "data-owner" not in shown.party.roles:
        raise TrustRefused(f"{source.name} was delivered by {shown.party.id}, who owns no data")
    if seen.digest != piece.tree.digest:
        differences = compare(piece.tree, seen)
        raise TreeRefused(
            f"{source.name} is not what {shown.party.id} delivered",
            why="; ".join(str(d) for d in differences[:5]),
            mend="ask for it again",
        )


def _stage_code(desk: Desk, home: Path, recipe: Recipe, stage: Path) -> str:
    """Copy the code beside the staged inputs; returns the digest of all of it as one tree."""
    entries: list[TreeEntry] = []
    disk = desk.space.disk
    for name in recipe.code:
        whole = (home / name).is_file()

        def keep(entry: TreeEntry, data: bytes, name: str = name, whole: bool = whole) -> None:
            path = name if whole else f"{name}/{entry.path}"
            disk.folder((stage / path).parent)
            disk.add(stage / path, data, mode=0o700 if entry.executable else 0o600)
            entries.append(entry.moved(path))

        read_folder(home / name, sink=keep)
    return tree_of(entries).digest


def _environment(desk: Desk) -> str:
    """Digest of the interpreter and its packages, remembered by file state in this trainer's own workspace."""
    path = desk.space.home / "environment-cache.json"
    cache: dict[str, str] = canonical.object_from_bytes(path.read_bytes()) if path.exists() else {}
    known = len(cache)
    prefixes = sorted({Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()})
    digest = digest_environment([(str(p), p) for p in prefixes if p != Path("/usr")], cache, hidden=foreign_packages())
    if len(cache) != known:
        desk.space.disk.write(path, canonical.to_bytes(cache))
    return digest


def _described(home: Path, recipe: Recipe) -> dict[str, str]:
    """What the environment is called, and what of it is known by name only."""
    out = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "operating-system files": "known by package list, not by bytes",
        "packages": " ".join(sorted(f"{d.name}=={d.version}" for d in metadata.distributions() if d.name)),
    }
    packages = Path("/var/lib/dpkg/status")
    if packages.is_file():
        out["operating-system packages"] = canonical.sha256_hex(packages.read_bytes())
    if recipe.lock:
        out["lock"] = canonical.sha256_hex(read_file(home / recipe.lock))
    return out


def _plan(recipe: Recipe, command: Sequence[str], stage: Path, out: Path) -> Plan:
    limits = ScriptLimits(wall_seconds=float(recipe.seconds), memory_bytes=recipe.memory_bytes)
    inputs = {stage / "inputs" / path: f"{GUEST}/{path}" for path in (*recipe.inputs.values(), *recipe.code)}
    return Plan(
        command=tuple(command),
        inputs=inputs,
        output=out,
        output_at=f"{GUEST}/{recipe.output}",
        workdir=GUEST,
        environment={**ONE_THREAD, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        limits=limits,
        system=system_paths(),
        hidden=foreign_packages(),
    )


def _metrics(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    value: dict[str, Any] = canonical.object_from_bytes(read_file(path, MAX_METRICS_BYTES), what=path.name)
    return {k: v for k, v in value.items() if isinstance(v, int | float) and not isinstance(v, bool)}
