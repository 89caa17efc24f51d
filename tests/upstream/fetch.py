"""Downloads AutoGen's own tests: the source distribution that belongs to the installed version.

Nothing of it is copied into the project. `python -m tests.upstream.fetch FOLDER` ends with status
1, and says why, where it cannot be had: a machine without a network is no failed check.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

_LIMIT_SECONDS: Final = 120


def sources(folder: Path) -> Path:
    """Where the unpacked sources are, or will be."""
    return folder / f"autogen_agentchat-{version('autogen-agentchat')}"


def fetch(folder: Path) -> str | None:
    """Download and unpack them, unless they are there.

    Returns:
        Why they cannot be had, or None.
    """
    if sources(folder).exists():
        return None
    wanted = f"autogen-agentchat=={version('autogen-agentchat')}"
    # Only this one as sources, and built with what is installed: its backend need not be built too.
    options = ["--no-deps", "--no-build-isolation", "--no-binary", "autogen-agentchat"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run(
            [*pip, *options, "--dest", str(folder), wanted],
            check=True,
            capture_output=True,
            text=True,
            timeout=_LIMIT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()
    except subprocess.TimeoutExpired:
        return f"{wanted} did not arrive within {_LIMIT_SECONDS} s"
    with tarfile.open(f"{sources(folder)}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return None


def main() -> int:
    """Fetch them; the exit status says whether they are there."""
    problem = fetch(Path(sys.argv[1]))
    if problem is not None:
        print(problem, file=sys.stderr)
    return 1 if problem is not None else 0


if __name__ == "__main__":
    sys.exit(main())
