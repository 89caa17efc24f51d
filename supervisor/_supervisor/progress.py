"""What a stop does now, and what the next Ctrl-C will do: in words, for a person at a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from supervisor._core.events import Rung, StopRequest

_DOING: Final = {
    Rung.DRAIN: ("finishing the turn of {who}", "cancel it"),
    Rung.CANCEL: ("cancelling {who}", "abandon it"),
    Rung.ABANDON: ("abandoning {who}", "end the process"),
}
_NOBODY: Final = {
    Rung.DRAIN: "finishing what is at work",
    Rung.CANCEL: "cancelling what is at work",
    Rung.ABANDON: "abandoning what is at work",
}
_MOST: Final = 3  # names


def limit(seconds: float) -> str:
    """Return how long a rung may take."""
    return f"up to {seconds:g} s" if seconds < math.inf else "no time limit"


def time_left(seconds: float | None) -> str:
    """Return how long it still may; None for ever."""
    return "no time limit" if seconds is None else f"{max(seconds, 0.0):.1f} s left"


def sentence(
    rung: Rung,
    request: StopRequest,
    agents: Sequence[str],
    time: str,
    *,
    has_ctrl_c: bool,
    can_exit: bool = True,
) -> str:
    """Return what happens now, and what the next Ctrl-C will do.

    Args:
        rung: The rung that was entered: DRAIN, CANCEL or ABANDON.
        request: What has asked for the stop.
        agents: The names of the agents that are interrupted.
        time: How long it may take.
        has_ctrl_c: Whether Ctrl-C leads to the next rung.
        can_exit: Whether one leads to the end of the process.
    """
    doing, further = _DOING[rung]
    doing = doing.format(who=_told(agents)) if agents else _NOBODY[rung]
    name = request.signal.name if request.signal is not None else request.reason
    said = f"{name}: {doing} ({time})."
    if not has_ctrl_c:
        return said
    if rung is Rung.ABANDON and not can_exit:
        return f"{said} Ctrl-C does no more: it never ends this process."
    return f"{said} Ctrl-C to {further}."


def _told(agents: Sequence[str]) -> str:
    """Return their names, each once; of many the first ones."""
    counts = Counter(agents)
    told = [f"{name!r}" if count == 1 else f"{name!r} ({count}x)" for name, count in counts.items()]
    if len(told) > _MOST:
        rest = sum([*counts.values()][_MOST - 1 :])
        told = [*told[: _MOST - 1], f"{rest} others"]
    return " and ".join(filter(None, (", ".join(told[:-1]), told[-1])))
