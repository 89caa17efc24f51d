"""What a run was made on: the machine, and the versions of everything that was loaded."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import psutil


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "load": load(),
    }


def load() -> str:
    """Return how many processes have wanted to run, on average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if sys.platform == "linux" and cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Return the versions of all packages that are installed."""
    found = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))
