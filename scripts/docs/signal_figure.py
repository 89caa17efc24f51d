"""The way of a signal as a sequence chart, from the kernel to the `TaskResult`.

Lanes name the class of ours that is there, and arrows the function that is called. Both are looked
up in the package while the chart is drawn, so that it cannot show what is gone. The rung and its
seconds are those that the ladder itself comes to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from signal import SIGINT
from typing import Final

from scripts.docs.svg import Drawing
from supervisor import Ladder, Rung
from supervisor._core.ladder import LadderState
from supervisor._core.settings import parse_signals

_LANE, _ROW, _TOP, _MARGIN = 118, 44, 92, 62


@dataclass(frozen=True, slots=True)
class _Lane:
    words: str
    where: str = ""  # a class or module of ours, as `module:name`


@dataclass(frozen=True, slots=True)
class _Arrow:
    start: str
    end: str
    words: str
    call: str = ""  # the function of ours that is called, as `module:name`


_LANES: Final[Mapping[str, _Lane]] = {
    "kernel": _Lane("C handler"),
    "fd": _Lane("wakeup fd", "supervisor._signals.wakeup:WakeupFd"),
    "watchdog": _Lane("watchdog", "supervisor._signals.watchdog:Watchdog"),
    "escalation": _Lane("escalation", "supervisor._supervisor.escalation:Escalation"),
    "loop": _Lane("event loop", "supervisor._supervisor.steps:StepRunner"),
    "run": _Lane("run", "supervisor._core.execution:Execution"),
    "autogen": _Lane("AutoGen"),
    "user": _Lane("your code"),
}


def draw() -> str:
    """Return the figure."""
    width = 2 * _MARGIN + _LANE * (len(_LANES) - 1)
    drawing = Drawing("The way of a signal, from the kernel to the TaskResult", width)
    arrows = _arrows()
    bottom = _TOP + _ROW * len(arrows) + 20
    for number, lane in enumerate(_LANES.values()):
        _draw_lane(drawing, lane, _MARGIN + number * _LANE, bottom)
    for number, arrow in enumerate(arrows, 1):
        _draw_arrow(drawing, arrow, _TOP + _ROW * number, width)
    return drawing.svg(bottom + 16)


def _arrows() -> Sequence[_Arrow]:
    """Return what happens, in its order."""
    entry = parse_signals(None, stdin_is_tty=True)[SIGINT]
    ladder = Ladder()
    state = LadderState(ladder)
    (step,) = state.signal(SIGINT, entry, 0.0)
    half = state.next_at or 0.0
    seconds = ladder.budget(step.rung)
    name, rung = SIGINT.name, step.rung.name
    return [
        _Arrow("kernel", "fd", f"1. writes {SIGINT:d} ({name}), whatever Python does"),
        _Arrow(
            "fd",
            "watchdog",
            "2. is read by the watchdog or the loop, whichever is first",
            "supervisor._signals.wakeup:WakeupFd.read",
        ),
        _Arrow(
            "watchdog",
            "escalation",
            f"3. {name} has arrived",
            "supervisor._supervisor.escalation:Escalation.on_signal",
        ),
        _Arrow(
            "escalation",
            "escalation",
            f"4. the ladder: {Rung.RUNNING.name} to {rung}, deadline in {seconds:g} s",
            "supervisor._core.ladder:LadderState.signal",
        ),
        _Arrow(
            "escalation",
            "loop",
            f"5. enter {rung}",
            "supervisor._supervisor.steps:StepRunner.carry_out",
        ),
        _Arrow("loop", "run", "6. cancel", "supervisor._core.stoppable:Stoppable.cancel"),
        _Arrow(
            "run",
            "autogen",
            "7. closes queues, cancels token and tasks",
            "supervisor._autogen.teardown",
        ),
        _Arrow("autogen", "run", "8. its tasks have ended"),
        _Arrow(
            "run",
            "run",
            "9. makes the team consistent",
            "supervisor._autogen.repair",
        ),
        _Arrow("run", "user", f'10. TaskResult, "Stopped by {name}"'),
        *_meanwhile(half, ladder.cancel, seconds),
    ]


def _meanwhile(half: float, cancel: float, seconds: float) -> Sequence[_Arrow]:
    """Return what the passing of time does, beside all that."""
    return [
        _Arrow(
            "watchdog",
            "escalation",
            f"Meanwhile, the time: after {half:g} s what still runs is cancelled once more,",
            "supervisor._supervisor.escalation:Escalation.on_time",
        ),
        _Arrow(
            "watchdog",
            "escalation",
            f"after {cancel:g} s it is given up, after {seconds:g} s the process is ended.",
            "supervisor._supervisor.escalation:Escalation.on_time",
        ),
    ]


def _draw_lane(drawing: Drawing, lane: _Lane, x: float, bottom: float) -> None:
    drawing.line((x, _TOP - 26), (x, bottom), style="dashed")
    drawing.box(x - 55, 18, 110, 48)
    drawing.text(x, 38 if lane.where else 47, lane.words, "strong small", "middle")
    if lane.where:
        _check(lane.where)
        drawing.text(x, 56, lane.where.partition(":")[2], "code small soft", "middle")


def _draw_arrow(drawing: Drawing, arrow: _Arrow, y: float, width: float) -> None:
    if arrow.call:
        _check(arrow.call)
    names = list(_LANES)
    start, end = (_MARGIN + names.index(name) * _LANE for name in (arrow.start, arrow.end))
    if start == end:
        drawing.arrow((start, y - 8), (start + 24, y - 8), (start + 24, y + 8), (start, y + 8))
        drawing.text(start + 32, y + 5, arrow.words, "note")
        return
    drawing.arrow((start, y), (end, y))
    is_near_the_edge = min(start, end) + 7.4 * len(arrow.words) > width - 20
    if is_near_the_edge:
        drawing.text(max(start, end) - 8, y - 8, arrow.words, "note", "end")
    else:
        drawing.text(min(start, end) + 8, y - 8, arrow.words, "note")


def _check(where: str) -> None:
    """Find what the chart names.

    Raises:
        AttributeError: A module has no such name.
        ImportError: There is no such module.
    """
    module, _, path = where.partition(":")
    found: object = import_module(module)
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
