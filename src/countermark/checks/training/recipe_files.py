"""Which files are a recipe's, by their names; imports no reader, because every inspection asks."""

from __future__ import annotations

from pathlib import Path

RECIPE = "recipe.toml"


def is_recipe(path: Path) -> bool:
    """Whether a path is a recipe's folder, its recipe.toml, or a single file of code."""
    if path.is_dir():
        return (path / RECIPE).is_file()
    return path.suffix.lower() in (".py", ".ipynb", ".lock") or path.name == RECIPE or is_lock(path.name)


def is_lock(name: str) -> bool:
    """Whether a file of that name pins requirements."""
    last = name.rpartition("/")[2].lower()
    return (
        last.endswith(".lock") or last == "pylock.toml" or (last.startswith("requirements") and last.endswith(".txt"))
    )
