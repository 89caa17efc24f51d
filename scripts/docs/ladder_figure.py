"""The ladder as a figure: its rungs, seconds and moves, read from the code that decides them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from typing import Final

from scripts.docs.svg import Drawing
from supervisor import Ladder, Rung, Supervisor
from supervisor._core import events
from supervisor._core.ladder import TABLE, LadderState, Move
from supervisor._core.settings import parse_signals

_WIDTH: Final = 700
_LEFT, _BOX, _HEIGHT, _GAP = 24, 440, 84, 62
_CAUSES: Final[Mapping[str, str]] = {
    "request": "code asks for more",
    "signal": "another signal",
    "idle": "nothing is at work any more",
    "time": "its seconds are over",
}
_FIRST_CAUSES: Final[Mapping[str, str]] = {"request": "code", "signal": "a signal"}


def draw() -> str:
    """Return the figure."""
    drawing = Drawing("The ladder: the rungs of a stop, what each does, and what leads on", _WIDTH)
    ladder = Ladder()
    for number, rung in enumerate(Rung):
        top = 20 + number * (_HEIGHT + _GAP)
        _draw_rung(drawing, rung, ladder, top)
        if TABLE[rung]:
            _draw_way_up(drawing, rung, top + _HEIGHT)
    bottom = 20 + len(Rung) * (_HEIGHT + _GAP) - _GAP
    last = (
        f"One deadline for all: {ladder.budget(Rung.DRAIN):g} s after a stop that enters at DRAIN,"
    )
    drawing.text(_LEFT, bottom + 36, last, "soft")
    last = (
        f"{ladder.budget(Rung.CANCEL):g} s after one that enters at CANCEL. It only moves nearer."
    )
    drawing.text(_LEFT, bottom + 56, last, "soft")
    return drawing.svg(bottom + 76)


def _draw_rung(drawing: Drawing, rung: Rung, ladder: Ladder, top: int) -> None:
    drawing.box(_LEFT, top, _BOX, _HEIGHT)
    drawing.text(_LEFT + 16, top + 26, rung.name, "strong")
    if seconds := ladder.seconds(rung):
        drawing.text(_LEFT + _BOX - 16, top + 26, f"{seconds:g} s at most", "soft", "end")
    for number, line in enumerate(textwrap.wrap(_descriptions()[rung.name], 54)):
        drawing.text(_LEFT + 16, top + 49 + 20 * number, line)
    for number, words in enumerate(_entries(rung)):
        y = top + 24 + 26 * number
        drawing.arrow((_LEFT + _BOX + 50, y), (_LEFT + _BOX + 4, y))
        drawing.text(_LEFT + _BOX + 58, y + 5, words, "code")


def _draw_way_up(drawing: Drawing, rung: Rung, bottom: int) -> None:
    x = _LEFT + 40
    drawing.arrow((x, bottom), (x, bottom + _GAP - 2))
    causes = _CAUSES if rung is not Rung.RUNNING else _FIRST_CAUSES
    words = [causes[trigger] for trigger in TABLE[rung]]
    lines = textwrap.wrap(", ".join(words[:-1]) + f" or {words[-1]}", 60)
    if rung is Rung.CANCEL:
        lines.append(f"(after {_again():g} s: cancelled once more)")
    if rung is Rung.ABANDON:
        lines.append("(only where the process is the supervisor's to end)")
    for number, line in enumerate(lines):
        y = bottom + _GAP / 2 + 5 + 20 * (number - (len(lines) - 1) / 2)
        drawing.text(x + 16, y, line, "soft")


def _entries(rung: Rung) -> list[str]:
    """Return what enters the ladder at a rung, without a setting that says otherwise."""
    signals = parse_signals(None, stdin_is_tty=True)
    found = [number.name for number, entry in signals.items() if entry is rung]
    if inspect.signature(Supervisor.stop).parameters["rung"].default is rung:
        found.append("sup.stop()")
    return [words + (" (terminal)" if words == "SIGHUP" else "") for words in found]


def _again() -> float:
    """Return after how many seconds of CANCEL what still runs is cancelled again."""
    state = LadderState(Ladder())
    state.request(Rung.CANCEL, 0.0)
    at = state.next_at or 0.0
    assert [step.move for step in state.tick(at)] == [Move.AGAIN]
    return at


def _descriptions() -> dict[str, str]:
    """Return the docstring of each rung: the interpreter keeps none for the members of an enum."""
    tree = ast.parse(inspect.getsource(events.Rung))
    (cls,) = tree.body
    assert isinstance(cls, ast.ClassDef)
    found: dict[str, str] = {}
    for before, node in zip(cls.body, cls.body[1:], strict=False):
        match before, node:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = text
            case _:
                pass
    return found
