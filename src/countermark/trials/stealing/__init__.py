"""Stealing: what can be rebuilt from answers."""
