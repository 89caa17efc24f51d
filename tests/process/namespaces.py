"""PID namespaces, in which a program is PID 1: as in a container, without a container engine."""

from __future__ import annotations

import subprocess

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]


def can_unshare() -> bool:
    """Return whether this machine lets us make one."""
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
