"""The seam between a supervisor and what it stops.

A supervisor knows its runs, its workers and any other thing only as a `Stoppable`; each of these
knows its supervisor only as an `Owner`. What belongs to one framework stands behind that.

One thing can also be stopped alone: by a time limit, by `run.stop()`, by a reader that goes away.
Such an `OwnStop` climbs the same ladder as the stop of a whole supervisor. An *interrupt* (Ctrl-C
in an interactive program) is an own stop of each run. Not chosen: a timer for each rung. That would
be a second copy of the ladder's rules, and the two would drift apart.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from supervisor._core.body_task import BodyTask
from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import DUPLICATE_SECONDS, LadderState, Move, Step
from supervisor._core.settings import Ladder
from supervisor._core.tasks import AnyTask
from supervisor._reports.findings import TaskInfo


class Stoppable(Protocol):
    """What a supervisor can stop, rung by rung.

    Each method may be called in any phase, and more than once; where it means nothing it does
    nothing. All are called in the loop, except `tasks_at_work` and `active_agents`.
    """

    @property
    def name(self) -> str:
        """The name of what is at work."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for any more: it is done, or was given up."""
        ...

    @property
    def readers(self) -> list[AnyTask]:
        """The tasks that wait for it, or have waited for it."""
        ...

    @property
    def unread(self) -> int:
        """How many of its events nobody has read yet."""
        ...

    @property
    def is_inside(self) -> bool:
        """Whether the code that asks is one of its own tasks."""
        ...

    @property
    def is_given_up(self) -> bool:
        """Whether something of it has refused to end."""
        ...

    @property
    def quarantined(self) -> object | None:
        """What refused to end and may not be used again; None where nothing did."""
        ...

    def active_agents(self) -> list[str]:
        """Return the names of those whom a stop interrupts, for a person to read."""
        ...

    def tasks_at_work(self, asked: float | None) -> list[TaskInfo]:
        """Return its tasks that are at work, for a report.

        Args:
            asked: Seconds since they were asked to end.
        """
        ...

    def stop(self, reason: str, cause: str = "code") -> None:
        """Stop this thing alone, with a ladder of its own; from any thread.

        Args:
            reason: The cause in words.
            cause: The same in one word.
        """
        ...

    def drain_alone(self, reason: str, cause: str = "code") -> None:
        """Let this thing alone finish what has begun, without a time limit; from any thread.

        Args:
            reason: The cause in words.
            cause: The same in one word.
        """
        ...

    def interrupt(self, request: StopRequest) -> OwnStop | None:
        """Stop this thing alone; if it is being stopped already, enter ABANDON.

        Returns:
            Its own stop; None if an interrupt does not concern it.
        """
        ...

    def drain(self, request: StopRequest) -> None:
        """Enter DRAIN: finish what has begun, and begin nothing more."""
        ...

    def cancel(self, request: StopRequest) -> None:
        """Enter CANCEL: cancel what is at work."""
        ...

    def cancel_again(self) -> None:
        """Cancel once more what was cancelled and still runs; half of CANCEL is over."""
        ...

    def abandon(self, request: StopRequest) -> None:
        """Enter ABANDON: cancel what still runs again and again."""
        ...

    def give_up(self, seconds: float) -> None:
        """Wait no longer for what refuses to end.

        Args:
            seconds: For how long it was asked to end.
        """
        ...

    def leave_behind(self) -> None:
        """Have the end of the loop not wait for it, where it was given up."""
        ...


class Owner(Protocol):
    """What a stoppable thing needs of its supervisor."""

    @property
    def ladder(self) -> Ladder:
        """The seconds of each rung."""
        ...

    @property
    def body(self) -> BodyTask | None:
        """The task in which its block was entered; None where there is none."""
        ...

    @property
    def stop_request(self) -> StopRequest | None:
        """The first request to stop, from the moment at which it came."""
        ...

    @property
    def yields_no_more(self) -> bool:
        """Whether CANCEL was entered: from then on only results are given."""
        ...

    def now(self) -> float:
        """Return the time by the clock of the ladders."""
        ...

    def attach(self, run: Stoppable) -> None:
        """Take in a thing that starts, or raise why it must not."""
        ...

    def detach(self, run: Stoppable) -> None:
        """Forget a thing that is done; what is expected of it has been said."""
        ...

    def expect(self, run: Stoppable) -> None:
        """Note that a thing is done, and that a reader has still to get its result."""
        ...

    def served(self, run: Stoppable) -> None:
        """Note that no reader has still to get its result."""
        ...

    def wake(self) -> None:
        """Look again at what there is to wait for."""
        ...


def is_read_by_others(thing: Stoppable, task: AnyTask | None) -> bool:
    """Return whether a living task other than this one waits for it."""
    return any(not reader.done() for reader in thing.readers if reader is not task)


def apply(step: Step, thing: Stoppable, request: StopRequest, ladder: Ladder) -> None:
    """Have one thing take one step of the ladder."""
    if step.rung is Rung.EXIT or step.move is Move.SPENT:
        thing.give_up(ladder.cancel + ladder.abandon)
    elif step.move is Move.AGAIN:
        thing.cancel_again()
    elif step.rung is Rung.DRAIN:
        thing.drain(request)
    elif step.rung is Rung.CANCEL:
        thing.cancel(request)
    else:
        thing.abandon(request)


def apply_to_all(
    step: Step, things: Iterable[Stoppable], request: StopRequest, ladder: Ladder
) -> None:
    """Have several things take one step of the ladder; some may end by that, and be forgotten."""
    for thing in list(things):
        apply(step, thing, request, ladder)


class OwnStop:
    """The stop of one thing alone, with one timer on its loop.

    An infinite last rung would keep a stop of one thing for ever, where nobody ends the process
    either: it has the default's seconds here.

    Args:
        thing: What is stopped.
        owner: Its supervisor: the seconds of each rung, and the clock.
        loop: The loop of both.
        request: What asks for it.
    """

    def __init__(
        self,
        thing: Stoppable,
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        request: StopRequest,
    ) -> None:
        self.request = request
        """What asks for it."""
        self._thing = thing
        self._ladder = owner.ladder
        if self._ladder.abandon == math.inf:
            self._ladder = replace(self._ladder, abandon=Ladder().abandon)
        self._state = LadderState(self._ladder)
        self._now = owner.now
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rung(self) -> Rung:
        """How far it has gone."""
        return self._state.rung

    @property
    def is_over(self) -> bool:
        """Whether the thing is over."""
        return self._thing.is_over

    def seconds_left(self) -> float | None:
        """Return how long the present rung may still take; None for ever."""
        at = self._state.rung_ends_at
        return None if at is None else at - self._now()

    def begin(self) -> None:
        """Enter CANCEL, and go on from there as time passes."""
        self._take(self._state.request(Rung.CANCEL, self._now()))

    def abandon(self) -> None:
        """Enter ABANDON before it is time, unless the stop has only just begun."""
        now = self._now()
        if now - self._state.entered_at >= DUPLICATE_SECONDS:
            self._take(self._state.request(Rung.ABANDON, now))

    def end(self) -> None:
        """Take no further step."""
        if self._timer is not None:
            self._timer.cancel()

    def _take(self, steps: list[Step]) -> None:
        self.end()  # the timer was set for a step that may be behind by now
        for step in steps:
            apply(step, self._thing, self.request, self._ladder)
        at = self._state.next_at
        if at is not None and not self._thing.is_over:
            delay = max(0.0, at - self._now())
            self._timer = self._loop.call_later(delay, self._on_time)

    def _on_time(self) -> None:
        self._take(self._state.tick(self._now()))
