"""Where modules are looked for.

The command line itself looks into no folder of the user's: `main` takes Python's first entry away,
which is the current folder under `python -m supervisor`. A team file may lie in a folder that came
from elsewhere, beside an `openai.py`. Who is given a module or a file puts its folder back.
"""

from __future__ import annotations

import sys
from pathlib import Path


def put_first(folder: Path) -> None:
    """Let `import` look into a folder first, as `python file.py` and `python -m module` do."""
    sys.path.insert(0, str(folder))


def put_last(folder: Path) -> None:
    """Let `import` look into a folder after everything that is installed."""
    sys.path.append(str(folder))
