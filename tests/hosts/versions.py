"""Versions that cannot live beside those of the environment: each in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def uvicorn_044(folder: Path) -> dict[str, str] | None:
    """Install uvicorn 0.44 into a folder.

    Returns:
        The variables with which it is found before the other; None where it cannot be had.
    """
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", str(folder)]
    found = subprocess.run([*command, "uvicorn==0.44.0"], capture_output=True, check=False)
    return None if found.returncode else {"PYTHONPATH": str(folder)}
