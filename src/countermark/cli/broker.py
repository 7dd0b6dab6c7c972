"""`countermark broker`: release the keys of sealed assets on evidence."""

from __future__ import annotations

from countermark.cli import (
    _broker_anchor,
    _broker_carried,
    _broker_deposit,
    _broker_files,
    _broker_host,
    _broker_key,
    _broker_log,
    _broker_meter,
    _broker_revoked,
    _broker_service,
    _broker_setup,
    _broker_tpm,
)
from countermark.cli._broker import broker

__all__ = [
    "_broker_anchor",
    "_broker_carried",
    "_broker_deposit",
    "_broker_files",
    "_broker_host",
    "_broker_key",
    "_broker_log",
    "_broker_meter",
    "_broker_revoked",
    "_broker_service",
    "_broker_setup",
    "_broker_tpm",
    "broker",
]
