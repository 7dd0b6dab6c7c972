"""Names of Python 2 as the unpickler renames them below protocol 3 (`fix_imports`).

Source: CPython `Lib/_compat_pickle.py`, whose two tables the unpickler uses itself.
"""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING


def renamed(module: str, qualname: str) -> tuple[str, str]:
    """Module and name as they would be imported."""
    if (module, qualname) in NAME_MAPPING:
        return NAME_MAPPING[module, qualname]
    return IMPORT_MAPPING.get(module, module), qualname
