"""The course of one stop: facts go in from any thread, steps are carried out in the loop.

The rules (`ladder.py`) say what follows from a fact; here it is seen to that it follows in time. A
loop can be late in two ways. One that is blocked takes no steps: at ABANDON, what blocks it is
interrupted. And where it was blocked through all of CANCEL, it would cancel and abandon in one
breath: then what was cancelled only now is given half of ABANDON's seconds to end in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import LadderState, Step
from supervisor._core.mailbox import Mailbox
from supervisor._core.settings import Ladder
from supervisor._reports.log import reporter
from supervisor._signals.interrupt import take_interrupted
from supervisor._signals.registry import registry

_SWITCH_SECONDS: Final = 0.0005
_STUCK_SECONDS: Final = 0.1  # a loop that takes no step for so long at ABANDON is interrupted


class StopHandler(Protocol):
    """Who carries out the steps."""

    def on_first_step(self) -> None:
        """A stop has begun; in any thread."""
        ...

    def end_process(self) -> None:
        """EXIT has come: end the process, where that is ours to do. In any thread."""
        ...

    def on_stuck(self) -> None:
        """The loop is blocked at ABANDON; once, in the watchdog's thread."""
        ...

    def before(self, step: Step) -> None:
        """A step is about to be passed to the loop. In any thread."""
        ...

    def carry_out(self, step: Step) -> None:
        """Do what a step says; in the loop."""
        ...

    def on_time(self, now: float) -> float | None:
        """It is now; returns when to be called next. In any thread."""
        ...


class Escalation:
    """A climb, what has asked for it, and what of it is still to be done.

    Args:
        ladder: The seconds of each rung.
        exits: Whether EXIT applies from the start.
        handler: Who carries out the steps.
    """

    def __init__(self, ladder: Ladder, *, exits: bool, handler: StopHandler) -> None:
        self.climb = LadderState(ladder, exits=exits)
        self.request: StopRequest | None = None
        """The first request; known before the climb begins."""
        self._ladder = ladder
        self._handler = handler
        self._facts = Mailbox()
        self._steps: deque[Step] = deque()  # to be carried out in the loop
        self._has_begun = False
        self._is_late = False  # ABANDON waits for what was cancelled late
        self._stuck_since: float | None = None
        self._was_stuck = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_main = self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    # -- in any thread ------------------------------------------------------------------------

    def ask(self, request: StopRequest) -> None:
        """Note what asks for a stop, unless something did before; in a signal handler, too."""
        if self.request is None:
            self.request = request

    def go_to(self, rung: Rung) -> None:
        """Climb there, for code asks for it."""
        self._feed(lambda: self.climb.request(rung, registry.now()))

    def signal(self, number: int, entry: Rung, at: float) -> None:
        """Climb, for a signal has arrived at this time."""
        # By time first: it climbs from the rung on which it came.
        self._feed(lambda: [*self.climb.tick(at), *self._count(number, entry, at)])

    def _count(self, number: int, entry: Rung, at: float) -> list[Step]:
        steps = self.climb.signal(number, entry, registry.now(), at)
        if not steps:  # a duplicate: the guard, which has seen it too, counts it otherwise
            registry.tell_guard()
        return steps

    def idle(self) -> None:
        """Leave DRAIN, for there is nothing to wait for."""
        self._feed(lambda: self.climb.idle(registry.now()))

    def tick(self, now: float) -> None:
        """Climb where it is time."""
        at = self.climb.next_at
        if at is not None and at <= now:
            self._feed(lambda: self.climb.tick(now))

    def free_the_loop(self, now: float) -> float | None:
        """Interrupt what blocks the loop at ABANDON; says when there is something to do next."""
        next_at = self.climb.next_at
        is_due = self.climb.rung >= Rung.ABANDON and self._steps and not self._is_late
        if not is_due:
            self._stuck_since = None
            return next_at
        since = self._stuck_since  # the loop may come free meanwhile, and forget it
        is_stuck = since is not None and now - since >= _STUCK_SECONDS
        if since is None or is_stuck:
            since = self._stuck_since = now
        if is_stuck:
            if not self._was_stuck:
                self._was_stuck = True
                self._handler.on_stuck()
            if self._is_main:
                registry.interrupt()
        again = since + _STUCK_SECONDS
        return again if next_at is None else min(again, next_at)

    def _feed(self, fact: Callable[[], list[Step]]) -> None:
        self._facts.add(lambda: self._work_off(fact))

    def _work_off(self, fact: Callable[[], list[Step]]) -> None:
        steps = [*fact(), *self.climb.tick(registry.now())]
        if steps:
            registry.tell_guard()
        for step in steps:
            self._pass_on(step)

    def _pass_on(self, step: Step) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._handler.on_first_step()
            self._be_quick()
        if step.rung is Rung.EXIT:
            self._handler.end_process()
        self._handler.before(step)
        self._steps.append(step)
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: only EXIT is left
                self._loop.call_soon_threadsafe(self.carry_on)

    def _be_quick(self) -> None:
        # Python that computes keeps the watchdog from the interpreter for this long each time. Only
        # in the block, which puts back what it has found.
        if self._loop is not None and self._has_begun:
            sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))

    # -- in the loop --------------------------------------------------------------------------

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """From here on the steps are carried out in this loop, also those that came before."""
        self._loop = loop
        self._is_main = threading.current_thread() is threading.main_thread()
        self._be_quick()
        loop.call_soon(self.carry_on)

    def close(self) -> None:
        """Look at the time no more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def carry_on(self) -> None:
        """Carry out the steps that are there."""
        _report_interruptions()
        while self._steps and not self._is_late:
            step = self._steps.popleft()
            self._handler.carry_out(step)
            self._is_late = step.rung is Rung.CANCEL and self._must_abandon_next()
            if self._is_late and self._loop is not None:
                self._loop.call_later(self._ladder.abandon / 2, self._be_late_no_more)
        self._look_at_the_time()

    def _be_late_no_more(self) -> None:
        self._is_late = False
        self.carry_on()

    def _must_abandon_next(self) -> bool:
        next_step = self._steps[0] if self._steps else None
        is_bounded = self._ladder.abandon < math.inf
        return next_step is not None and next_step.rung is Rung.ABANDON and is_bounded

    def _look_at_the_time(self) -> None:
        """Climb by a timer of the loop too: a busy loop can keep the watchdog waiting."""
        if self._timer is not None:
            self._timer.cancel()
        registry.look()
        delay = registry.seconds_until(self._handler.on_time(registry.now()))
        if delay is not None and self._loop is not None and not self._is_closed:
            self._timer = self._loop.call_later(delay, self._look_at_the_time)


def _report_interruptions() -> None:
    for where in take_interrupted():
        line = f"supervisor: interrupted {where}, which blocked the event loop"
        reporter.event("interrupted", level=logging.WARNING, line=line, where=where)
