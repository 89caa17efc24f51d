"""The course of a stop, where its loop and its watchdog meet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor import Ladder, Rung, StopRequest
from supervisor._signals.registry import registry
from supervisor._supervisor.escalation import _STUCK_SECONDS, Escalation

if TYPE_CHECKING:
    from supervisor._core.ladder import Step


class StopHandler:
    """Carries out nothing; the loop comes free in the moment in which it is told to be blocked."""

    course: Escalation
    was_stuck = False

    def on_first_step(self) -> None:
        """A stop has begun."""

    def end_process(self) -> None:
        """It is not this one's to end."""

    def on_stuck(self) -> None:
        """The loop takes its steps, and looks at the time, before the watchdog goes on."""
        self.was_stuck = True
        self.course.carry_on()

    def before(self, step: Step) -> None:
        """A step is on its way."""

    def carry_out(self, step: Step) -> None:
        """Do nothing."""

    def on_time(self, now: float) -> float | None:
        """As a supervisor does."""
        return self.course.free_the_loop(now)


async def test_a_loop_that_comes_free_while_it_is_told_to_be_blocked() -> None:
    """The watchdog, which would end of an error, is told when to look next."""
    crew = StopHandler()
    course = crew.course = Escalation(Ladder(), exits=False, handler=crew)
    course.open(asyncio.get_running_loop())
    course._is_main = False  # here it is not to be interrupted
    course.ask(StopRequest(reason="test", rung=Rung.ABANDON))
    course.go_to(Rung.ABANDON)
    now = registry.now()
    course.free_the_loop(now)
    assert course.free_the_loop(now + 2 * _STUCK_SECONDS) is not None
    assert crew.was_stuck
    course.close()
