"""Hostile bytes and foreign code, far from keys: confined children, limits and what was really applied."""
