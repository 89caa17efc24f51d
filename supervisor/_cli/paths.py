"""What lies at a path that somebody has typed: also at one that no file system can have.

`Path.exists()` and its kin raise for a name that is too long, and for a folder that may not be
looked into; those of `os.path` do not. For whoever has typed the name there is no such file.
"""

from __future__ import annotations

import os


def exists(place: str | os.PathLike[str]) -> bool:
    """Tell whether something is there, as far as this user can see."""
    return os.path.exists(place)  # noqa: PTH110


def is_file(place: str | os.PathLike[str]) -> bool:
    """Tell whether a file is there, as far as this user can see."""
    return os.path.isfile(place)  # noqa: PTH113


def is_dir(place: str | os.PathLike[str]) -> bool:
    """Tell whether a folder is there, as far as this user can see."""
    return os.path.isdir(place)  # noqa: PTH112
