"""The run's token: safe from any thread, re-entrant, and without finished futures."""

from __future__ import annotations

import asyncio
import signal
import threading
from asyncio import Future
from typing import Any, cast

import pytest

from supervisor._autogen.token import SupervisedToken


def _in_a_thread(call: Any) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


async def test_linked_futures_are_cancelled_at_once() -> None:
    """`cancel()` in the loop's thread cancels what is linked before it returns."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    linked: Future[None] = token.link_future(loop.create_future())
    token.cancel("because")
    assert linked.cancelled()
    assert token.is_cancelled()
    assert token.reason == "because"


async def test_what_is_linked_late_is_cancelled_too() -> None:
    """A cancelled token cancels a newly linked future at once, and calls a new callback."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    token.cancel()
    called: list[int] = []
    token.add_callback(lambda: called.append(1))
    linked: Future[None] = token.link_future(loop.create_future())
    assert linked.cancelled()
    assert called == [1]


async def test_works_before_it_knows_its_loop() -> None:
    """A token without a loop cancels in the calling thread, and is bound later."""
    token = SupervisedToken()
    linked: Future[None] = token.link_future(asyncio.get_running_loop().create_future())
    token.cancel()
    token.bind(asyncio.get_running_loop())
    assert linked.cancelled()


async def test_cancelled_in_another_thread_it_wakes_the_loop() -> None:
    """Futures and callbacks are touched in the loop's thread, and a sleeping loop is woken."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    threads: list[int] = []
    token.add_callback(lambda: threads.append(threading.get_ident()))
    linked: Future[None] = token.link_future(loop.create_future())
    _in_a_thread(token.cancel)
    assert not linked.done()
    with pytest.raises(asyncio.CancelledError):
        await linked
    assert threads == [threading.get_ident()]


async def test_linked_in_another_thread_after_the_cancel() -> None:
    """A future linked in another thread after the cancel is cancelled in the loop's thread."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    token.cancel()
    future: Future[None] = loop.create_future()
    _in_a_thread(lambda: token.link_future(future))
    assert not future.done()
    with pytest.raises(asyncio.CancelledError):
        await future


async def test_each_callback_is_called_once() -> None:
    """Cancelling again, from wherever, calls no callback a second time."""
    calls: list[str] = []
    token = SupervisedToken(asyncio.get_running_loop(), lambda: calls.append("first"))
    token.add_callback(lambda: calls.append("second"))
    token.cancel()
    token.cancel()
    _in_a_thread(token.cancel)
    await asyncio.sleep(0)
    assert calls == ["first", "second"]


async def test_a_callback_may_use_the_token() -> None:
    """No lock is held while callbacks run: a callback may cancel, link and add."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    late: Future[None] = loop.create_future()
    calls: list[str] = []

    def use() -> None:
        token.cancel()
        token.link_future(late)
        token.add_callback(lambda: calls.append("late"))

    token.add_callback(use)
    token.cancel()
    assert late.cancelled()
    assert calls == ["late"]


async def test_a_callback_that_raises_does_not_keep_the_others() -> None:
    """A callback that raises does not prevent the others."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    linked: Future[None] = token.link_future(loop.create_future())
    calls: list[int] = []

    def fail() -> None:
        raise ValueError("the callback's own")

    token.add_callback(lambda: calls.append(1))
    token.add_callback(fail)
    token.add_callback(lambda: calls.append(2))
    token.cancel()
    assert sorted(calls) == [1, 2]
    assert linked.cancelled()


async def test_a_linked_coroutine_is_passed_over() -> None:
    """McpWorkbench links a coroutine object, which has no `cancel()`: the rest is cancelled."""

    async def result() -> None:
        """Return what the workbench would."""

    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    before: Future[None] = token.link_future(loop.create_future())
    coroutine = result()
    token.link_future(cast("Future[None]", coroutine))
    after: Future[None] = token.link_future(loop.create_future())
    token.cancel()
    assert before.cancelled()
    assert after.cancelled()
    await coroutine


async def test_memory_is_flat() -> None:
    """Of 5,000 futures that came and went a few are kept; those alive are all kept."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    alive = [token.link_future(loop.create_future()) for _ in range(10)]
    most = 0
    for _ in range(5000):
        future: Future[None] = loop.create_future()
        token.link_future(future).set_result(None)
        most = max(most, len(token._linked))
    assert most <= 65
    token.cancel()
    assert all(future.cancelled() for future in alive)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_signal_handler_may_cancel_during_a_cancel() -> None:
    """A handler that cancels while a `cancel()` is at work neither deadlocks nor loses a future."""
    loop = asyncio.get_running_loop()
    token = SupervisedToken(loop)
    hits: list[int] = []

    def handler(number: int, frame: object) -> None:
        hits.append(number)
        token.cancel()

    linked: list[Future[None]] = [token.link_future(loop.create_future()) for _ in range(1000)]
    token.add_callback(lambda: signal.raise_signal(signal.SIGUSR1))
    found = signal.signal(signal.SIGUSR1, handler)
    try:
        token.add_callback(lambda: signal.raise_signal(signal.SIGUSR1))
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, found)
    assert len(hits) == 3
    assert all(future.cancelled() for future in linked)


async def test_cancelling_when_the_loop_is_gone() -> None:
    """A token that outlives its loop can still be cancelled, from any thread."""
    loop = asyncio.new_event_loop()
    token = SupervisedToken()
    _in_a_thread(lambda: token.bind(loop))
    loop.close()
    token.cancel()
    assert token.is_cancelled()


async def test_a_token_of_no_run_lets_nothing_fail() -> None:
    """Whoever has met the error raises it himself."""
    assert not SupervisedToken(asyncio.get_running_loop()).fail(OSError("gone"))


class _Cancels:
    """A linked object that cancels its token as it is asked whether it is done."""

    def __init__(self, token: SupervisedToken) -> None:
        self.token = token
        self.cancelled = 0

    def done(self) -> bool:
        self.token.cancel()
        return False

    def cancel(self) -> None:
        self.cancelled += 1


async def test_a_cancel_while_finished_futures_are_forgotten() -> None:
    """A signal handler may cancel just then: each future is cancelled, and none twice."""
    token = SupervisedToken(asyncio.get_running_loop())
    linked = [_Cancels(token) for _ in range(100)]
    for each in linked:
        token.link_future(cast(Any, each))
    assert [each.cancelled for each in linked] == [1] * 100
