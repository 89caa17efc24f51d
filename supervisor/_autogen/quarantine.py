"""Which teams are at work, and which had to be given up.

Of each team of the process, whichever supervisor it runs under: a run that follows waits for the
one before it, and a team that something refuses to leave is not run again until it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from autogen_agentchat.base import Team

from supervisor._autogen.walk import reach
from supervisor._core.tasks import AnyTask
from supervisor._reports import stacks


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
_had: dict[Running, list[int]] = {}  # the keys that each run has taken in these


def follow(team: object, run: Running) -> Running | None:
    """Take a team for a run.

    Returns:
        The run that has it still.
    """
    before, _busy[id(team)] = _busy.get(id(team)), run
    _had.setdefault(run, []).append(id(team))
    return before


def give_up(team: object, run: Running) -> None:
    """Refuse a team, and the teams within it, to others."""
    for thing in (team, *reach(team)):
        if thing is team or isinstance(thing, Team):
            _given_up[id(thing)] = run
            _had.setdefault(run, []).append(id(thing))


def refuse_given_up(team: object) -> None:
    """Raise where a team, or anything within it, was given up.

    Raises:
        Quarantined: It was.
    """
    if not _given_up:
        return
    for thing in (team, *reach(team)):
        before = _given_up.get(id(thing))
        if before is not None and before.error is not None:
            raise before.error


def free(run: Running) -> None:
    """Let go of what a run has had."""
    for key in _had.pop(run, ()):
        for runs in (_busy, _given_up):
            if runs.get(key) is run:
                del runs[key]


def doing(tasks: Iterable[AnyTask]) -> str:
    """What these tasks are at: of each the innermost line that is the user's."""
    tasks = list(tasks)
    found = [stack for task in tasks if (stack := stacks.stack(task))]
    return ", ".join(dict.fromkeys(stack[-1] for stack in found) or [t.get_name() for t in tasks])
