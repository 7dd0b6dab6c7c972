"""Checks of training code: what a recipe would do when it runs, read from its syntax and never executed."""
