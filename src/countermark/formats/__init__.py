"""Bounded readers of hostile files. They return facts or refuse; they never execute what they read."""
