"""Evasion: inputs that a model gets wrong although nothing has changed for a person."""
