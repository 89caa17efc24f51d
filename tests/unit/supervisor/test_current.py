"""`supervisor.current()`: the innermost block of the context in which it is called."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false, reportGeneralTypeIssues=false

from __future__ import annotations

import asyncio
import contextvars

import pytest

import supervisor
from supervisor import Supervisor, UsageError
from supervisor._supervisor import nesting
from supervisor._supervisor.facade import parts_of


async def test_it_is_the_innermost_block() -> None:
    """Inside a nested block it is the inner supervisor; behind that, the outer one again."""
    async with Supervisor(signals={}) as outer:
        async with Supervisor(signals={}) as inner:
            assert supervisor.current() is inner
        assert supervisor.current() is outer


async def test_outside_a_block_it_is_an_error() -> None:
    """The error says what to do instead."""
    with pytest.raises(UsageError, match="call it inside `async with Supervisor"):
        supervisor.current()
    async with Supervisor(signals={}):
        pass
    with pytest.raises(UsageError):
        supervisor.current()


async def test_a_task_has_the_block_that_is_left_open_around_it() -> None:
    """A task that outlives the inner block in which it was started is in the outer one."""
    is_left = asyncio.Event()

    async def look() -> Supervisor:
        await is_left.wait()
        return supervisor.current()

    async with Supervisor(signals={}) as outer:
        async with Supervisor(signals={}):
            task = asyncio.create_task(look())
            await asyncio.sleep(0)
        is_left.set()
        assert await task is outer


async def test_a_block_in_such_a_task_is_inside_the_outer_one() -> None:
    """It is nested in the block that is open, though its context names one that was left."""
    is_left = asyncio.Event()

    async def open_one() -> object:
        await is_left.wait()
        sup = Supervisor(signals={})
        async with sup:
            pass
        return parts_of(sup).scope.nesting.parent

    async with Supervisor(signals={}) as outer:
        async with Supervisor(signals={}):
            task = asyncio.create_task(open_one())
            await asyncio.sleep(0)
        is_left.set()
        assert await task is parts_of(outer).scope


async def test_a_thread_of_the_block_has_it_too() -> None:
    """`asyncio.to_thread` passes the context on; a thread can stop what it works for."""
    async with Supervisor(signals={}) as sup:
        assert await asyncio.to_thread(supervisor.current) is sup


async def test_a_context_of_elsewhere_can_be_given_a_block() -> None:
    """`use` makes a block the innermost of another context, and its token takes that back."""
    async with Supervisor(signals={}) as sup:

        def in_request() -> Supervisor:
            token = nesting.use(parts_of(sup).scope)
            found = supervisor.current()
            token.var.reset(token)
            assert nesting.innermost() is None
            return found

        assert contextvars.Context().run(in_request) is sup
