"""The factory, from three dozen suppliers' photographs to a verified, served model and a report.

Written against the lifecycle alone; every step is also a command, and each is told as it is taken. The truth of
what was planted is read by measurements and by the last page, never by a check.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from countermark.cases.factory import model as making
from countermark.cases.factory import parts, photos, plant, service, supply, watch
from countermark.cases.factory.measure import Exam, PlainTraining, Worth, plain_folder
from countermark.cases.factory.parties import OWNER, TRAINER
from countermark.cases.factory.supply import Supply
from countermark.cases.factory.tell import Tell
from countermark.errors import Unusable
from countermark.lifecycle import trial, witnessing
from countermark.lifecycle.release import judge
from countermark.lifecycle.screen import Screened
from countermark.report.build import build, write


@dataclass(frozen=True, slots=True)
class Options:
    """What the demonstration is told.

    Attributes:
        root: folder for everything it makes. cache: rendered photographs. seed: of photographs and attacks.
        variant: "rig" or "wild". library: folder of part models, or None for parametric parts.
        count, images: parts and photographs; None for the defaults. workers: processes that render.
        policy: the policy that counts in this project; None for the shipped one.
    """

    root: Path
    cache: Path
    seed: int = 0
    variant: str = "rig"
    library: Path | None = None
    count: int = 200
    images: int | None = None
    workers: int = 2
    policy: bytes | None = None


@dataclass(slots=True)
class Story:
    """The story as far as it has got.

    Attributes:
        copy: the keeper's ledger as it was before the release.
    """

    options: Options
    tell: Tell
    plan: photos.Plan
    supply: Supply
    copy: Path = Path()
    worth: dict[str, Worth] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


def default_policy() -> bytes:
    """The policy that ships with Countermark."""
    return (files("countermark.policy") / "default.toml").read_bytes()


def run(options: Options, tell: Tell, held: ExitStack) -> tuple[dict[str, Any], making.Made, Supply]:
    """Tell the whole story.

    Args:
        held: what runs beside the story, the witnesses above all, and ends with the caller.

    Returns:
        One JSON object of figures, the released round, and everybody's desks.

    Raises:
        Unusable: the folder holds something else, or a library has too few parts.
    """
    policy = options.policy or default_policy()
    _fresh(options.root)
    with tell.stage("parts", "Parts: who makes what, photographed on a rig"):
        plan, taken = _photograph(options, tell)
    with tell.stage("supply", "Parties, deliveries, and the door"):
        shop = supply.open_shop(options.root, taken, plan, policy, options.seed, tell, held)
        story = Story(options, tell, plan, shop)
        behind = _background(story)
        supply.deliver_all(shop, plan, tell)
    with tell.stage("screen", "Screening: which delivery disagrees with all others"):
        screened, aside, letters = making.screen_and_set_aside(shop, tell, options.seed)
    made = _first_round(story, policy, screened, aside, letters)
    checked = _plant(story, made)
    if checked is not None:
        with tell.stage("history", "The ledger's keeper rewrites its history"):
            story.result["rewriting_refused"] = _rewrite(story)
        with tell.stage("serve", "Serve: a guard that signs every answer"):
            home = shop.parties.folder("plant")
            story.result["guard"] = service.serve_and_ask(shop, home / "model", home / "model.cmpass", tell)
    witnessing.ask(shop.parties[OWNER], shop.parties[OWNER].trust())  # the head with the plant's snapshot
    report = build(shop.parties[OWNER], made.folder, policy)
    with tell.stage("redeliver", "A corrected delivery, and the model trained again"):
        _second_round(story, screened)
    with tell.stage("measure", "What the models are worth"):
        _grade(story, made, behind)
    story.result |= _figures(story, made, checked)
    page = write(
        replace(report, story=story.result),
        options.root / "report.html",
        json=options.root / "report.json",
        sarif=options.root / "report.sarif",
    )
    tell.event("result", f"report: {page}")
    return story.result, made, shop


def _fresh(root: Path) -> None:
    """The demonstration's own folder of an earlier run is replaced; anything else is left alone."""
    mark = root / ".countermark-demo"
    if root.exists() and any(root.iterdir()) and not mark.exists():
        raise Unusable(f"{root} holds something else", mend="name an empty or a new folder")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    mark.write_text("made by `countermark demo factory`; may be removed\n")


def _photograph(options: Options, tell: Tell) -> tuple[photos.Plan, Path]:
    pool = None
    if options.library is not None:
        from countermark.cases.factory import library

        pool = library.read(options.library).parts
    chosen = parts.choose(options.count, options.seed, pool)
    plan = photos.plan(chosen, seed=options.seed, images=options.images)
    name = f"{options.variant}-{photos.plan_digest(plan, options.variant, options.seed)[:16]}"
    taken = photos.take_photos(
        options.cache / name, plan, options.variant, workers=options.workers,
        progress=lambda done, every: tell.progress("photographs", done, every),
    )  # fmt: skip
    families = len({p.family for p in chosen})
    tell.say(f"{len(chosen)} parts of {families} families, {len(plan.scopes)} suppliers, {plan.images} photographs")
    return plan, taken


def _background(story: Story) -> dict[str, PlainTraining]:
    """Two plain trainings run beside the story: on clean photographs, and on what was sent, unscreened."""
    shop, home = story.supply, story.options.root / "today"
    making.write_recipe(home)
    sent = [(s, shop.parties.folder(s) / supply.DELIVERY) for s in story.plan.scopes]
    clean = plain_folder([(s, shop.photos / s) for s in story.plan.scopes], home / "clean")
    unscreened = plain_folder(sent, home / "unscreened")
    test = shop.photos / photos.TEST
    script = home / making.SCRIPT
    return {
        name: PlainTraining(script, folder, test, home / f"{name}-model")
        for name, folder in (("clean", clean), ("unscreened", unscreened))
    }


def _first_round(
    story: Story, policy: bytes, screened: Screened, aside: tuple[str, ...], letters: list[Path]
) -> making.Made:
    tell, shop = story.tell, story.supply
    with tell.stage("train", "Training: hermetic, on the admitted rows only"):
        home = making.hand_over(shop, "round-1")
        trained = making.train(shop, home, tell)
    with tell.stage("try", "Inspection by proof, and two attacks under a budget"):
        said = making.look_and_try(shop, trained.folder, tell)
    with tell.stage("release", "Release: policy, verdict, papers"):
        made = making.Made(screened, aside, trained.folder, trained, letters=letters)
        making.enter(shop, [trained.envelope, *said])
        story.copy = watch.keep_copy(shop.parties, story.options.root / "elsewhere" / f"{OWNER}-before")
        early = judge(shop.parties[OWNER], trained.folder, policy)
        missing = [r.id for r in early.verdict.rulings if not r.ok]
        tell.say(f"before the approval the policy says {early.verdict.headline}: {', '.join(missing)}")
        making.enter(shop, [making.approve(shop, trained, tell)])
        made.released = making.release_model(shop, trained.folder, policy, tell)
    return made


def _plant(story: Story, made: making.Made) -> plant.Checked | None:
    if made.released is None or made.released.passport is None:
        return None
    with story.tell.stage("verify", "The plant verifies, offline"):
        model, passport = plant.ship(story.supply, made.folder, made.released)
        return plant.check(story.supply, model, passport, story.tell)


def _rewrite(story: Story) -> dict[str, str]:
    """As if the released model had never been: a second history, under the key that everybody trusts."""
    tell, parties = story.tell, story.supply.parties
    tell.command("countermark ledger cosign")
    refused = watch.rewrite(parties, story.copy)
    for witness, why in refused.items():
        tell.refused(f"{witness}, asked to vouch for it", [why])
    return refused


def _second_round(story: Story, first: Screened) -> None:
    """The flipped rows come back corrected; the backdoored cell stays set aside."""
    shop, tell = story.supply, story.tell
    making.redeliver(shop, tell)
    screened, _, _ = making.screen_and_set_aside(shop, tell, story.options.seed)
    home = making.hand_over(shop, "round-2")
    trained = making.train(shop, home, tell)
    story.result["redelivered"] = {
        "named": list(screened.screening.named),
        "named_before": list(first.screening.named),
        "model": trained.tree.digest,
    }


def _grade(story: Story, made: making.Made, behind: dict[str, PlainTraining]) -> None:
    shop = story.supply
    pictures, classes = trial.read_pictures(shop.photos / photos.TEST)
    truth = shop.truth
    scopes = {s: story.plan.scopes[s] for s in (truth.backdoor, truth.flipper)}
    exam = Exam(pictures, classes, truth.target, truth.trigger, scopes)
    for name, running in behind.items():
        story.worth[name] = exam.grade(running.result())
    story.worth["screened"] = exam.grade(made.folder)
    story.worth["redelivered"] = exam.grade(shop.parties.folder(TRAINER) / "round-2" / "model")
    for name in ("clean", "unscreened", "screened", "redelivered"):
        worth = story.worth[name]
        own = ", ".join(f"{s} {v:.2f}" for s, v in worth.own.items())
        story.tell.say(
            f"{name:<12} top-1 {worth.top1:.3f}  top-5 {worth.top5:.3f}  attack success {worth.attack:.3f}  (own parts: {own})"
        )


def _figures(story: Story, made: making.Made, checked: plant.Checked | None) -> dict[str, Any]:
    shop, truth = story.supply, story.supply.truth
    by_id = {row.id: (row.supplier, row.entry.path) for row in made.screened.rows}
    aside, planted = {by_id[i] for i in made.aside}, truth.rows()
    hits = len(aside & planted)
    verdict = made.released.judged.verdict if made.released else None
    passport = made.released.passport if made.released else None
    return {
        "parts": {
            "source": str(story.options.library.name) if story.options.library else "parametric",
            "count": len(story.plan.parts), "variant": story.options.variant, "seed": story.options.seed,
        },
        "suppliers": len(story.plan.scopes),
        "images": story.plan.images,
        "refused_deliveries": [{"supplier": a.supplier, "reasons": list(a.reasons)} for a in shop.refused()],
        "named": [{"supplier": s.id, "p": s.p, "q": s.q} for s in made.screened.screening.suppliers if s.named],
        "planted": {"backdoor": truth.backdoor, "part": truth.target, "label_flips": truth.flipper, "rows": len(planted)},
        "quarantined": {
            "rows": len(aside), "precision": hits / max(len(aside), 1), "recall": hits / max(len(planted), 1),
        },
        "worth": {name: worth.to_json() for name, worth in story.worth.items()},
        "hermetic": made.trained.run.level,
        "verdict": verdict.headline if verdict else "none",
        "passport_bytes": passport.stat().st_size if passport else 0,
        "freshness": {"first_contact": checked.first, "pinned": checked.verified.freshness} if checked else None,
        "tampering_refused": checked.refused if checked else {},
        "model": made.trained.tree.digest,
        "seconds": story.tell.seconds,
    }  # fmt: skip
