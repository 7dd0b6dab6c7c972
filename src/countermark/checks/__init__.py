"""Passive looks at an asset; each gives an outcome, none a verdict."""
