"""A stop in progress, where its loop and its watchdog meet."""

from __future__ import annotations

import asyncio

from supervisor import Rung, StopRequest, Supervisor
from supervisor._signals.registry import registry
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.stuck_loop import STUCK_SECONDS


async def test_a_loop_that_comes_free_while_it_is_told_to_be_blocked() -> None:
    """The watchdog, which would end of an error, is told when to look next."""
    escalation = parts_of(Supervisor(signals={})).escalation
    was_stuck: list[bool] = []

    def come_free() -> None:
        was_stuck.append(True)
        escalation._carry_on()

    escalation._stuck._on_stuck = come_free
    escalation.open(asyncio.get_running_loop())
    escalation._stuck.is_interrupted = False
    escalation._stop.ask(StopRequest(reason="test", rung=Rung.ABANDON))
    escalation._stop.go_to(Rung.ABANDON)
    now = registry.clock.now()
    escalation.on_time(now)
    assert escalation.on_time(now + 2 * STUCK_SECONDS) is not None
    assert was_stuck == [True]
    escalation.close()
