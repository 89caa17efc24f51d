"""The names of those who own runs."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def owner_name() -> str:
    """Return a name for a supervisor, which no other one has, in any process on any machine.

    A person reads in it the host, the process id, and the PID namespace to which that id belongs:
    in two containers the same host name and the process id 1 may mean two processes.
    """
    return f"{socket.gethostname()}/{_namespace()}/{os.getpid()}/{secrets.token_hex(4)}"


def _namespace() -> str:
    try:
        link = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "pid"
    return link.replace(":[", "-").removesuffix("]")
