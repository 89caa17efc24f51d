"""Which teams are at work, and which had to be given up.

Of each team of the process, whichever supervisor it runs under: a run that follows waits for the
one before it, and a team that something refuses to leave is not run again until it has.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterable
from types import FrameType
from typing import Any, Protocol

from autogen_agentchat.base import Team

from supervisor.autogen.reach import reach
from supervisor.tasks import AnyTask


class Running(Protocol):
    """A run, as those see it that follow."""

    @property
    def error(self) -> BaseException | None:
        """What it has failed with, so far."""
        ...

    async def until_settled(self) -> None:
        """Wait until nothing of it is at work."""
        ...


# By the id() of a team, or an agent, which the run keeps alive.
_busy: dict[int, Running] = {}
_given_up: dict[int, Running] = {}


def follow(team: object, run: Running) -> Running | None:
    """Take a team for a run.

    Returns:
        The run that has it still.
    """
    before, _busy[id(team)] = _busy.get(id(team)), run
    return before


def give_up(team: object, run: Running) -> None:
    """Refuse a team, and the teams within it, to others."""
    for thing in (team, *reach(team)):
        if thing is team or isinstance(thing, Team):
            _given_up[id(thing)] = run


def refuse_given_up(team: object) -> None:
    """Raise where a team, or anything within it, was given up.

    Raises:
        Quarantined: It was.
    """
    for thing in (team, *reach(team)):
        before = _given_up.get(id(thing))
        if before is not None and before.error is not None:
            raise before.error


def free(run: Running) -> None:
    """Let go of what a run has had."""
    for runs in (_busy, _given_up):
        for key in [key for key, other in runs.items() if other is run]:
            del runs[key]


def doing(tasks: Iterable[AnyTask]) -> str:
    """What these tasks are at: of each the innermost line that is the user's."""
    tasks = list(tasks)
    frames = [frame for task in tasks if (frame := _innermost(task)) is not None]
    places = dict.fromkeys(_place(frame) for frame in frames)
    return ", ".join(places or [task.get_name() for task in tasks])


def _innermost(task: AnyTask) -> FrameType | None:
    found: FrameType | None = None
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame: FrameType | None = _first(awaited, "cr_frame", "ag_frame")
        found = frame if frame is not None and _is_users(frame) else found
        waits_for = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
        awaited = waits_for if waits_for is not None else _generator_behind(awaited)
    return found


def _first(thing: object, *names: str) -> Any:
    return next(
        (value for name in names if (value := getattr(thing, name, None)) is not None), None
    )


def _generator_behind(awaited: object) -> object | None:
    """The async generator that an `async for` waits for, by an object that hides it."""
    if not type(awaited).__name__.startswith("async_generator_"):
        return None
    return next((held for held in gc.get_referents(awaited) if inspect.isasyncgen(held)), None)


def _is_users(frame: FrameType) -> bool:
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package not in ("asyncio", "autogen_agentchat", "autogen_core", "supervisor")


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})"
