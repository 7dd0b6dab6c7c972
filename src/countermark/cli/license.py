"""`countermark license`: signed grants that only narrow, and what is said about them later."""

from __future__ import annotations

from countermark.cli import _license_grant, _license_move, _license_use, _license_word
from countermark.cli._license import licences

license = licences  # noqa: A001 - the command is found in its module by its name

__all__ = ["_license_grant", "_license_move", "_license_use", "_license_word", "license"]
