"""Failures that come with a stop: which of them are the stop's doing, and which are raised."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import logging
import signal

import pytest
from autogen_core import CancellationToken

from supervisor import Supervisor, UsageError
from supervisor._autogen.token import SupervisedToken
from supervisor._reports.log import reporter
from supervisor.testing import ScriptedAgent
from tests.unit.supervisor.fakes import PATIENT, Talker


class Misused(Talker):
    """A team that uses the supervisor wrongly when it is let go."""

    async def work(self) -> None:
        """Wait, and raise."""
        await super().work()
        raise UsageError("this is wrong; do that")


async def test_an_error_of_ours_is_raised_while_a_signal_stops_us() -> None:
    """A signal may kill a tool's child; it makes no wrong call, which has to be seen."""
    team = Misused()
    async with Supervisor(signals={"SIGUSR1": "DRAIN"}, ladder=PATIENT) as sup:
        run = asyncio.ensure_future(sup.stream(team))
        await team.is_working.wait()
        signal.raise_signal(signal.SIGUSR1)
        await sup.wait_stop()
        team.may_end.set()
        with pytest.raises(UsageError, match="do that"):
            await run
    assert sup.exit_status == 128 + signal.SIGUSR1


@pytest.mark.blocks
async def test_an_input_that_ends_just_after_a_stop_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run is stopped already: its result is given, and the failure is no secret."""

    async def ask(_heard: object, token: CancellationToken) -> str:
        assert isinstance(token, SupervisedToken)
        run.stop("Enough")
        token.fail(EOFError("no more input"))
        await token.link_future(asyncio.get_running_loop().create_future())
        return "never"

    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        run = sup.stream(ScriptedAgent("ann", ask), "go")
        result = await run
    assert result.stop_reason == "Enough"
    assert reporter.flush(5)
    [failed] = [it for it in caplog.records if it.message == "run failed while it was stopped"]
    assert (failed.levelno, failed.__dict__["agent"]) == (logging.ERROR, "ann")
    assert failed.exc_info is not None
    assert isinstance(failed.exc_info[1], EOFError)


async def test_a_run_that_is_over_takes_no_step_of_a_stop() -> None:
    """A stop may come to it in the very step of the loop in which it has ended."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        run = sup.stream(ScriptedAgent("ann", ["word"]), "go")
        result = await run
        sup.stop("Enough")
        assert sup.stop_request is not None
        over = run._stoppable
        over.drain(sup.stop_request)
        over.cancel(sup.stop_request)
        over.cancel_again()
        over.abandon(sup.stop_request)
        over.give_up(1.0)
        over.leave_behind()
        assert over.interrupt(sup.stop_request) is None
        assert await run is result
        assert (run.stop_request, run.error, over.quarantined) == (None, None, None)
