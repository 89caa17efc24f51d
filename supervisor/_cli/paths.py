"""What lies at a path that somebody has typed: also at one that no file system can have.

`Path.exists()` and its kin raise for a name that is too long, and for a folder that may not be
looked into. For whoever has typed the name there is no such file.
"""

from __future__ import annotations

from pathlib import Path


def exists(place: str | Path) -> bool:
    """Tell whether something is there, as far as this user can see."""
    try:
        return Path(place).exists()
    except (OSError, ValueError):
        return False


def is_file(place: str | Path) -> bool:
    """Tell whether a file is there, as far as this user can see."""
    try:
        return Path(place).is_file()
    except (OSError, ValueError):
        return False


def is_dir(place: str | Path) -> bool:
    """Tell whether a folder is there, as far as this user can see."""
    try:
        return Path(place).is_dir()
    except (OSError, ValueError):
        return False
