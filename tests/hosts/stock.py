"""How each server ends without us, idle or with a finished stream: what ours is compared with.

Written down from what they do (uvicorn 0.54, hypercorn 0.18, granian 2.8, gunicorn 27), so that a
test of ours need not start each server twice; the soak compares this table with the servers.
"""

from __future__ import annotations

import enum
import signal
from collections.abc import Mapping
from typing import Final

from tests.hosts.servers import Server


class Way(enum.Enum):
    """A way to tell a server to stop."""

    TERM = "SIGTERM", signal.SIGTERM, False
    INT = "SIGINT", signal.SIGINT, False
    CTRL_C = "Ctrl-C", signal.SIGINT, True
    """To its whole process group, as a terminal does."""
    QUIT = "SIGQUIT", signal.SIGQUIT, False

    def __init__(self, label: str, number: signal.Signals, is_for_group: bool) -> None:
        self.label = label
        self.number = number
        self.is_for_group = is_for_group

    def tell(self, server: Server) -> None:
        """Tell it."""
        server.signal(self.number, group=self.is_for_group)


_USUAL: Final[Mapping[Way, int]] = {Way.TERM: 0, Way.INT: 0, Way.CTRL_C: 0}
# One process, which raises again what it has captured; for SIGINT asyncio's runner has a handler.
_UVICORN: Final[Mapping[Way, int]] = {Way.TERM: -signal.SIGTERM, Way.INT: 0, Way.CTRL_C: 0}

STATUS: Final[Mapping[str, Mapping[Way, int]]] = {
    "uvicorn": _UVICORN,
    "uvicorn uvloop": _UVICORN,
    "uvicorn --workers 2": _USUAL,
    "uvicorn --reload": _USUAL,
    "uvicorn --lifespan off": _UVICORN,
    "uvicorn 0.44": _UVICORN,
    "uvicorn in a thread": _USUAL,
    "hypercorn": _USUAL,
    "hypercorn uvloop": _USUAL,
    "hypercorn --workers 0": _USUAL,
    "granian": _USUAL,
    "granian uvloop": _USUAL,
    "gunicorn asgi": {**_USUAL, Way.QUIT: 0},
    # SIGINT or SIGQUIT to its parent lasts 30 s: the worker does not heed what the parent sends.
    "gunicorn uvicorn": {Way.TERM: 0, Way.CTRL_C: 0},
}
"""Exit status by server and way; minus the signal where it dies by one."""


def is_quick(name: str, way: Way) -> bool:
    """Return whether workers get SIGQUIT, by which gunicorn means: at once, whatever is open."""
    return name.startswith("gunicorn") and way is not Way.TERM
