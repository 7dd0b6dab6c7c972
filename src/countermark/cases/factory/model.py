"""Steps 4 to 8: screen, set aside, train, inspect, try, approve, release."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from countermark import dsse
from countermark.cases.factory.parties import OWNER, REVIEWER, TRAINER
from countermark.cases.factory.supply import Supply, take
from countermark.cases.factory.tell import Tell
from countermark.lifecycle import acts, book, deliver, inspect, release, review, rows, trial
from countermark.lifecycle import train as training
from countermark.lifecycle.release import Released
from countermark.lifecycle.screen import Screened, screen

COMMAND = ("python", "train.py")
RECIPE, SCRIPT, LOCK = "recipe.toml", "train.py", "requirements.lock"
SEED = 0


@dataclass(slots=True)
class Made:
    """One round of screening, training and release.

    Attributes:
        screened: what the battery found. aside: rows that were set aside. folder: the model.
        released: the verdict and the papers.
    """

    screened: Screened
    aside: tuple[str, ...]
    folder: Path
    trained: training.Trained
    released: Released | None = None
    letters: list[Path] = field(default_factory=list)


def screen_and_set_aside(supply: Supply, tell: Tell, seed: int) -> tuple[Screened, tuple[str, ...], list[Path]]:
    """The owner screens all admitted rows, sets aside what was flagged, and writes to the suppliers."""
    owner = supply.parties[OWNER]
    tell.command("countermark screen --contract contract.json")
    done = screen(
        owner, supply.contract, seed=seed, progress=lambda what, share: tell.progress(what, int(100 * share), 100)
    )
    named = done.screening.named
    tell.say(f"named: {', '.join(named) or 'nobody'}; {len(done.flagged())} of {len(done.rows)} rows flagged")
    flagged = done.flagged()
    if flagged:
        tell.command("countermark quarantine --from-screening")
        rows.quarantine(owner, flagged, reason="screening", screening=done.slip.envelope.digest, dataset=done.dataset)
    return done, tuple(flagged), _letters(supply, named)


def _letters(supply: Supply, named: Sequence[str]) -> list[Path]:
    """A contact sheet, a CSV file, and a signed letter for each named supplier with only its own rows."""
    owner, out = supply.parties[OWNER], []
    listed = review.suspects(owner)
    if not listed:
        return []
    folder = supply.parties.folder(OWNER)
    (folder / "contact-sheet.html").write_text(review.contact_sheet(owner, listed))
    (folder / "flagged.csv").write_text(review.to_csv(listed))
    for supplier in named:
        for envelope in review.letter(owner, supplier, listed):
            path = supply.parties.folder(supplier) / f"letter-{envelope.digest[:8]}.json"
            path.write_bytes(envelope.to_bytes())
            out.append(path)
    return out


def hand_over(supply: Supply, name: str) -> Path:
    """The owner delivers the admitted rows to the trainer, who finds them where the recipe says."""
    owner, home = supply.parties[OWNER], supply.parties.folder(TRAINER) / name
    handed = supply.parties.folder(OWNER) / name / "train"
    rows.write_training_set(owner, handed)
    deliver.deliver(owner, handed, addressee=TRAINER)
    data = home / "data"
    shutil.copytree(handed, data / "train")
    shutil.copy(handed.with_name("train.cmdelivery"), data / "train.cmdelivery")
    shutil.copytree(supply.parties.folder(OWNER) / "test", data / "test")
    write_recipe(home)
    return home


def write_recipe(home: Path) -> None:
    """The script and its recipe, as the trainer keeps them."""
    home.mkdir(parents=True, exist_ok=True)
    for name in (RECIPE, SCRIPT, LOCK):
        (home / name).write_bytes((files("countermark.cases.factory") / name).read_bytes())


def train(supply: Supply, home: Path, tell: Tell) -> training.Trained:
    """The trainer runs the unchanged script hermetically; where that cannot be, the statement says so."""
    tell.command(f"countermark train --recipe recipe.toml -- {' '.join(COMMAND)}")
    done = training.train(supply.parties[TRAINER], home / RECIPE, COMMAND, home / "model", allow_plain=True)
    tell.say(
        f"hermetic: {done.run.level}; top-1 {done.said.metrics['top1']:.3f}, top-5 {done.said.metrics['top5']:.3f}"
    )
    return done


def look_and_try(supply: Supply, model: Path, tell: Tell) -> list[dsse.Envelope]:
    """The reviewer inspects the file, attacks the model under a budget, and approves."""
    reviewer = supply.parties[REVIEWER]
    tell.command("countermark inspect model --sign inspection.json")
    inspected = inspect.inspect(reviewer, model)
    answers = ", ".join(f"{f.path} {f.answer}" for f in inspected.inspection.files)
    tell.say(answers)
    tell.command("countermark trial model --images test --sign trials.json")
    pictures, classes = trial.read_pictures(supply.parties.folder(OWNER) / "test")
    with trial.read_model(model) as read:
        tried = trial.attempt(read, pictures, classes, seed=SEED)
    for result in tried.results:
        tell.say(f"{result.id}: " + ", ".join(f"{m.name} {m.value:.3g}" for m in result.outcome.measures[:3]))
    return [inspected.envelope, trial.sign(reviewer, model.name, tried)]


def approve(supply: Supply, done: training.Trained, tell: Tell) -> dsse.Envelope:
    """Four eyes: a reviewer who is not the trainer."""
    tell.command("countermark approve model --training model.training.json --note 'looked at'")
    return acts.approve(supply.parties[REVIEWER], done.folder, done.envelope, "inspected, tried, and looked at")


def enter(supply: Supply, envelopes: Sequence[dsse.Envelope]) -> None:
    """The owner, who keeps the ledger, enters what the others handed in."""
    owner = supply.parties[OWNER]
    with owner.space.lock():
        book.enter(owner, owner.trust(), envelopes)


def release_model(supply: Supply, model: Path, policy: bytes, tell: Tell) -> Released:
    """The owner judges, signs and packs."""
    tell.command("countermark release model --policy policy.toml")
    done = release.release(supply.parties[OWNER], model, policy)
    tell.event("result", done.judged.verdict.headline)
    return done


def redeliver(supply: Supply, tell: Tell) -> str:
    """The supplier who mixed up labels corrects its folder and delivers it again, in place of the first one."""
    truth, parties = supply.truth, supply.parties
    supplier = truth.flipper
    folder = parties.folder(supplier) / "corrected"
    shutil.copytree(supply.photos / supplier, folder)
    tell.command(f"countermark deliver corrected --as {supplier} --to {OWNER} --replace")
    deliver.deliver(parties[supplier], folder, addressee=OWNER, replace=True)
    answer = take(supply, folder)
    tell.say(f"{supplier}'s corrected delivery: {answer.state}")
    return answer.state
