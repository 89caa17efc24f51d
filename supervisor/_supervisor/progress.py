"""The line at the terminal: what the stop does now, and what the next Ctrl-C will do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import Step
from supervisor._core.settings import Ladder

_DOING: Final = {
    Rung.DRAIN: ("finishing the turn of {who}", "cancel it"),
    Rung.CANCEL: ("cancelling {who}", "abandon it"),
    Rung.ABANDON: ("abandoning {who}", "end the process"),
}


def sentence(
    step: Step,
    request: StopRequest,
    agents: Sequence[str],
    ladder: Ladder,
    *,
    has_ctrl_c: bool,
) -> str | None:
    """Return what happens now, and what the next Ctrl-C will do; None where nothing is at work.

    Args:
        step: The rung that is entered.
        request: What has asked for the stop.
        agents: The names of the agents that are interrupted.
        ladder: The seconds of the rungs.
        has_ctrl_c: Whether Ctrl-C is one of the signals that stop.
    """
    if not agents:
        return None
    doing, further = _DOING[step.rung]
    names = [repr(name) for name in agents[:3]]
    who = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    name = request.signal.name if request.signal is not None else request.reason
    # On a line of its own: the terminal has just shown "^C", behind whatever the program wrote.
    seconds = ladder.seconds(step.rung)
    limit = f"up to {seconds:g} s" if seconds < math.inf else "no time limit"
    said = f"\n{name}: {doing.format(who=who)} ({limit})."
    is_last = step.rung is Rung.ABANDON and seconds == math.inf  # such a ladder has no EXIT
    return f"{said} Ctrl-C to {further}." if has_ctrl_c and not is_last else said
