"""Countermark: evidence for trained models you did not train alone.

The public Python API is these names and no others; each is imported when it is first asked for::

    deliver(desk, folder, addressee=...)        sign a folder for somebody
    receive(desk, folder, examine=...)          admit or refuse a delivery
    screen(dataset) or screen(images, labels, suppliers, ...)  look for poison, name the supplier
    screen_table(table, label=...)              the same for rows of a table
    screen_signals(signals, labels, ...)        the same for clips of sound and other series
    inspect(path)                               read model files, executing nothing
    release(desk, model, policy)                judge, sign, pack
    verify(model, passport, pin, now)           verify a model against its papers
    load(model, passport, pin, now)             verify, and hand on the very bytes that were verified
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "deliver": "lifecycle.deliver:deliver",
    "inspect": "checks.model.inspect:inspect_path",
    "load": "lifecycle.verify:open_model",
    "receive": "lifecycle.receive:receive",
    "release": "lifecycle.release:release",
    "screen": "lifecycle.screen_claimed:screen",
    "screen_signals": "checks.data.screen_signals:screen_signals",
    "screen_table": "checks.data.screen_table:screen_table",
    "verify": "lifecycle.verify:verify_model",
}

__all__ = ["deliver", "inspect", "load", "receive", "release", "screen", "screen_signals", "screen_table", "verify"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'countermark' has no attribute {name!r}")
    module, _, function = _PUBLIC[name].partition(":")
    return getattr(import_module(f"countermark.{module}"), function)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
