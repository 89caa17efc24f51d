"""The teams of this process that are running, and those in quarantine.

A team counts once in a process, whichever supervisor it runs under. A new run of a team waits for
the run before it. A team is in quarantine while a task of it refuses to end, and is not run again
before that task has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet

from autogen_agentchat.base import Team


class Running(Protocol):
    """A run, as the next run of its team sees it."""

    @property
    def error(self) -> BaseException | None:
        """The error that it has failed with, so far."""
        ...

    async def until_settled(self) -> None:
        """Wait until nothing of it is at work."""
        ...

    def drop(self) -> None:
        """Release what it has, if its loop was closed around it."""
        ...


# By the id() of a team, or an agent, which the run keeps alive.
_busy: dict[int, Running] = {}
_given_up: dict[int, Running] = {}
_loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()  # in which there was a run
_keys: dict[Running, list[int]] = {}  # the keys under which each run stands in the two above


def claim(team: object, run: Running) -> Running | None:
    """Claim a team for a run.

    Returns:
        The run that still has it.
    """
    loop = asyncio.get_running_loop()
    if loop not in _loops:  # the one before may be closed, with runs that nobody has ended
        _loops.add(loop)
        for other in list(_keys):
            with contextlib.suppress(Exception):  # of a dead loop; the new run is not to suffer
                other.drop()
    before, _busy[id(team)] = _busy.get(id(team)), run
    _keys.setdefault(run, []).append(id(team))
    return before


def give_up(things: Iterable[object], run: Running) -> None:
    """Put a team, and the teams within it, in quarantine.

    Args:
        things: The team or the agent that was run, and the components that it holds.
        run: The run.
    """
    for place, thing in enumerate(things):
        if place == 0 or isinstance(thing, Team):
            _given_up[id(thing)] = run
            _keys.setdefault(run, []).append(id(thing))


def refuse_given_up(things: Iterable[object]) -> None:
    """Raise where a team, or a component that it holds, is in quarantine.

    Args:
        things: The team, and the components that it holds.

    Raises:
        Quarantined: One of them is.
    """
    if not _given_up:
        return
    for thing in things:
        before = _given_up.get(id(thing))
        if before is not None and before.error is not None:
            raise before.error


def release(run: Running) -> None:
    """Release all teams that a run has claimed or put in quarantine."""
    for key in _keys.pop(run, ()):
        for runs in (_busy, _given_up):
            if runs.get(key) is run:
                del runs[key]
