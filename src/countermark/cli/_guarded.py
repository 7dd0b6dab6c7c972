"""The demonstration's guard: serve the released model on loopback, query it, and change an answer on its way."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from countermark.cases.factory import photos
from countermark.cases.factory.parties import OPERATOR, PLANT
from countermark.cases.factory.supply import Supply
from countermark.cases.factory.tell import Tell
from countermark.errors import ExchangeRefused
from countermark.guard import admission, client, keyring, server, start
from countermark.lifecycle import trial, verify

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]
ASKED = 20


def guarded(supply: Supply, model: Path, passport: Path, tell: Tell) -> dict[str, Any]:
    """Serve at the operator, query from the plant, then once more with an answer that was changed on its way.

    Args:
        model, passport: as the plant holds them; the operator gets the same files.
    """
    operator, plant = supply.parties[OPERATOR], supply.parties[PLANT]
    home = supply.parties.folder(OPERATOR)
    shutil.copytree(model, home / "model", dirs_exist_ok=True)
    shutil.copy(passport, home / "model.cmpass")
    opened = verify.open_model(home / "model", home / "model.cmpass", verify.pinned(operator), operator.now())
    served = admission.admit(opened)
    guard = start.prepare(operator, served, name="model")
    _, token = keyring.create(operator.space, PLANT, operator.stamp())
    pictures, classes = trial.read_pictures(supply.photos / photos.TEST)
    every = max(1, len(pictures) // ASKED)
    asked, truth = pictures[::every][:ASKED], classes[::every][:ASKED]
    tell.command("countermark serve model --passport model.cmpass")
    with server.background(guard) as url:
        tell.command(f"countermark query {url} photo.png --model {served.digest[:8]}... --api-key-file plant.key")
        said = client.query(url, asked, token, trust=plant.trust(), model=served.digest, clock=plant.now)
    right = sum(a == b for a, b in zip(said.labels, truth, strict=True))
    tell.event("result", f"{right} of {len(asked)} answers right, every signature verified by {PLANT}")
    refusal = _changed(operator, served, asked, token, plant)
    tell.refused("an answer changed on its way", [refusal])
    return {"asked": len(asked), "right": right, "operator": said.operator, "changed_answer_refused": refusal}


def _changed(operator: Any, served: admission.Served, asked: Any, token: str, plant: Any) -> str:
    """The same guard behind somebody who flips one bit of each answer; returns the client's refusal."""
    guard = start.prepare(operator, served, name="model")
    with server.background(_flipping(guard)) as url, client.Session(url, token, clock=plant.now) as session:
        try:
            session.predict(asked, session.describe(plant.trust(), served.digest))
        except ExchangeRefused as refusal:
            return refusal.what
    return ""


def _flipping(app: App) -> App:
    async def changed(scope: Message, receive: Any, send: Any) -> None:
        async def flip(message: Message) -> None:
            if message.get("body") and scope.get("path") == "/v1/predict":
                data = bytearray(message["body"])
                data[-1] ^= 1
                message = {**message, "body": bytes(data)}
            await send(message)

        await app(scope, receive, flip)

    return changed
