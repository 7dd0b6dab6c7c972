"""`countermark broker`: release the keys of sealed assets on evidence."""

from __future__ import annotations

from countermark.cli import _broker_anchor, _broker_host, _broker_meter, _broker_operator, _broker_tpm
from countermark.cli._broker import broker

__all__ = ["_broker_anchor", "_broker_host", "_broker_meter", "_broker_operator", "_broker_tpm", "broker"]
