"""How one program is started and stopped, as a file says: what the rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One program in a file.

    Args:
        where: The place in the file, as "compose.yaml: services.app".
        words: The command; () where the file does not name it.
        environ: The environment variables that the file sets.
        kill_setting: The setting of `kill_seconds`; "" where nobody kills.
        kill_seconds: Seconds between the request to stop and SIGKILL; inf for never.
        before: Seconds of these that pass before the program hears of the stop.
        stop_signal: The signal that asks it to stop.
        has_init: Whether something else is PID 1 and reaps orphans; None where nothing is PID 1
            but the system's own init.
    """

    where: str
    words: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    kill_setting: str = ""
    kill_seconds: float = float("inf")
    before: float = 0.0
    stop_signal: str = "SIGTERM"
    has_init: bool | None = None
