"""Countermark: evidence for trained models you did not train alone."""

__version__ = "0.1.0"
