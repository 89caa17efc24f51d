"""The Supervisor as a user sees it: its token, its repr, what it refuses to run."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import math
import threading

import pytest

from supervisor import Rung, SettingsError, Supervisor
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Talker,
    stop_when,
)


async def test_what_cannot_be_run() -> None:
    """What has no `run_stream`, and a time that is none, are refused at once."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(TypeError, match="run_stream"):
            sup.stream("team")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        for limit in (math.nan, -1, True, "5"):
            with pytest.raises(SettingsError, match="timeout"):
                sup.stream(Talker(), timeout=limit)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_the_token_is_cancelled_at_cancel() -> None:
    """It lives through DRAIN, and is cancelled at CANCEL with the stop's reason."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        token = sup.token
        sup.spawn(asyncio.sleep(LONG))
        sup.stop("enough", Rung.DRAIN)
        await sup.wait_stop()
        assert not token.is_cancelled()
        sup.stop("now", Rung.CANCEL)
        await asyncio.sleep(0.01)
        assert token.is_cancelled()
        assert token.reason == "enough"


async def test_cancelling_the_token_is_a_stop() -> None:
    """Whoever cancels it, from any thread, stops the supervisor."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        linked = asyncio.get_running_loop().create_future()
        sup.token.link_future(linked)
        afar = asyncio.create_task(asyncio.to_thread(sup.token.cancel))
        assert (await sup.wait_stop()).reason == "The supervisor's token was cancelled"
        await afar
    assert linked.cancelled()


async def test_the_token_first_asked_for_in_another_thread_belongs_to_the_loop() -> None:
    """Futures are cancelled in the loop's thread, wherever the token was made."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        token = await asyncio.to_thread(lambda: sup.token)
        seen: list[int] = []
        token.add_callback(lambda: seen.append(threading.get_ident()))
        afar = asyncio.create_task(asyncio.to_thread(token.cancel))
        await sup.wait_stop()
        await afar
    assert seen == [threading.get_ident()]


async def test_the_token_of_a_stopped_supervisor_is_cancelled() -> None:
    """First asked for after CANCEL, it is cancelled already."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        sup.stop("enough")
        await sup.wait_stop()
        assert sup.token.is_cancelled()


async def test_the_supervisors_own_token_given_to_a_run_changes_nothing() -> None:
    """A run that is given `sup.token` is stopped as any, and not cancelled by its caller."""
    async with Supervisor(signals={}, ladder=PATIENT) as sup:
        team = Talker()
        sup.spawn(stop_when(team.is_working, sup))
        result = await sup.stream(team, cancellation_token=sup.token)
        assert result.stop_reason == "enough"


async def test_repr_is_a_diagnosis() -> None:
    """It says the state, what is at work, and how far the stop is."""
    sup = Supervisor(signals={})
    assert repr(sup) == "<Supervisor not entered yet, 0 runs, 0 tasks, RUNNING>"
    async with sup:
        sup.spawn(asyncio.sleep(0))
        assert repr(sup) == "<Supervisor open, 0 runs, 1 tasks, RUNNING>"
        sup.stop("enough")
        assert "CANCEL" in repr(sup)
    assert repr(sup).startswith("<Supervisor left, 0 runs, 0 tasks, CANCEL")


async def test_a_token_from_before_the_block_belongs_to_its_loop() -> None:
    """Asked for before the block is entered, it is cancelled by a stop all the same."""
    sup = Supervisor(signals={})
    token = sup.token
    async with sup:
        assert sup.token is token
        waiting = asyncio.get_running_loop().create_future()
        token.link_future(waiting)
        sup.stop("enough", Rung.CANCEL)
        await asyncio.sleep(LONG)
    assert waiting.cancelled()
