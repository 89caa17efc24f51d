"""Where modules are looked for first."""

from __future__ import annotations

import sys
from pathlib import Path


def put_first(folder: Path) -> None:
    """Let `import` look into a folder first, as `python file.py` and `python -m module` do.

    The folder takes the place of our own entry, the folder of the command `autogen-supervisor` or
    the current folder: a module of the user's must not be found by where our command lies.
    """
    if sys.flags.safe_path or not sys.path:  # then Python has put no entry there
        sys.path.insert(0, str(folder))
    else:
        sys.path[0] = str(folder)


def leave_current_folder() -> None:
    """Let `import` not look into the current folder, unless a variable of Python's names it.

    A team file may lie in a folder that came from elsewhere, beside an `openai.py`.
    """
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", str(Path.cwd())):
        del sys.path[0]


def put_last() -> None:
    """Let `import` look into the current folder, after everything that is installed."""
    sys.path.append(str(Path.cwd()))
