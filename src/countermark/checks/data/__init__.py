"""Checks of training data: one file each; `battery` runs them and joins what they say."""
