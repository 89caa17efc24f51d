"""Versions that cannot live beside those of the environment: each in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path


def uvicorn_044(folder: Path) -> dict[str, str] | None:
    """Install uvicorn 0.44 into a folder.

    Returns:
        The variables with which it is found before the other; None where it cannot be had.
    """
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", str(folder)]
    found = subprocess.run([*command, "uvicorn==0.44.0"], capture_output=True, check=False)
    return None if found.returncode else {"PYTHONPATH": str(folder)}


def python_with(requirement: str, folder: Path) -> str | None:
    """Make an interpreter that has this package, and behind it all that there is here.

    Returns:
        Its path; None where the package cannot be had.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    own = str(folder / "bin" / "python")
    command = [own, "-m", "pip", "install", "-qq", requirement]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    (site,) = folder.glob("lib/python*/site-packages")
    here = sysconfig.get_paths()["purelib"]
    (site / "zz_here.pth").write_text(f"import site; site.addsitedir({here!r})")
    return own
