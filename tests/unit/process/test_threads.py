"""The thread pool: its rules in this process, the end of a process in real children."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import threading
import time
import weakref

import pytest

from supervisor._process import blocked_stdin, threads
from supervisor._process.threads import DaemonThreadPool
from tests.unit.process.calls import blocked_call, orphan
from tests.unit.process.pool_programs import both_loops, child


def test_a_result_and_an_exception_arrive(pool: DaemonThreadPool) -> None:
    """A call's result and its exception come out of its future."""
    assert pool.submit(divmod, 7, 2).result(10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(10)


async def test_it_serves_a_loop() -> None:
    """As a default executor it blocks the loop neither in a call nor in a cancellation."""
    pool, gate, began = DaemonThreadPool(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        gate.wait(10)

    asyncio.get_running_loop().set_default_executor(pool)
    assert await asyncio.to_thread(divmod, 7, 2) == (3, 1)
    stuck = asyncio.create_task(asyncio.to_thread(work))
    assert await asyncio.to_thread(began.wait, 10)
    stuck.cancel()
    await asyncio.wait([stuck])
    assert len(pool.orphans()) == 1
    assert await asyncio.to_thread(divmod, 9, 2) == (4, 1)
    gate.set()
    await asyncio.get_running_loop().shutdown_default_executor()


def test_threads_are_reused_up_to_the_limit(pool: DaemonThreadPool) -> None:
    """No more calls run at once than the pool has places, and an idle thread takes the next."""
    barrier = threading.Barrier(2)
    calls = [pool.submit(barrier.wait, 10) for _ in range(6)]
    concurrent.futures.wait(calls, 10)
    names = {pool.submit(threading.current_thread).result(10).name for _ in range(20)}
    assert names <= {"supervisor-executor_0", "supervisor-executor_1"}


def test_a_queued_call_can_be_cancelled(pool: DaemonThreadPool) -> None:
    """A call that has not begun is cancelled for good and never runs."""
    gate = threading.Event()
    busy = [pool.submit(gate.wait, 10) for _ in range(2)]
    ran: list[int] = []
    call = pool.submit(ran.append, 1)
    assert call.cancel()
    gate.set()
    concurrent.futures.wait(busy, 10)
    pool.shutdown()
    assert not ran


def test_a_pool_that_was_shut_down_refuses_calls() -> None:
    """A pool that was shut down refuses calls with the stock pool's words."""
    pool = DaemonThreadPool()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(print)


def test_a_pool_without_places_is_refused() -> None:
    """A pool without places cannot be made."""
    with pytest.raises(ValueError, match="max_workers"):
        DaemonThreadPool(max_workers=0)


def test_shutdown_waits_for_wanted_calls() -> None:
    """After shutdown every call has ended, the queued ones too, and no thread is left."""
    pool = DaemonThreadPool(max_workers=1)
    gate = threading.Event()
    first, second = pool.submit(gate.wait, 10), pool.submit(divmod, 7, 2)
    opening = threading.Timer(0.05, gate.set)
    opening.start()
    pool.shutdown()
    opening.join()
    assert first.done()
    assert second.done()
    assert not [t for t in threading.enumerate() if t.name.startswith("supervisor-executor")]


def test_shutdown_can_drop_the_queue() -> None:
    """With `cancel_futures` calls that have not begun are cancelled."""
    pool = DaemonThreadPool(max_workers=1)
    gate = threading.Event()
    first, second = blocked_call(pool, gate), pool.submit(divmod, 7, 2)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    assert first.result(10)
    assert second.cancelled()


def test_an_orphan_is_listed_and_not_waited_for() -> None:
    """A running call that was cancelled is an orphan, and shutdown leaves it behind."""
    pool, gate = DaemonThreadPool(), threading.Event()
    call = orphan(pool, gate)
    (thread,) = pool.orphans()
    began = time.monotonic()
    pool.shutdown()
    assert time.monotonic() - began < 2
    assert not call.done()
    gate.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not pool.orphans()


def test_a_call_orphaned_during_shutdown_ends_the_wait() -> None:
    """Shutdown stops waiting for a call at the moment at which it becomes an orphan."""
    pool, gate = DaemonThreadPool(), threading.Event()
    call = blocked_call(pool, gate)
    ending = threading.Thread(target=pool.shutdown)
    ending.start()
    call.cancel()
    ending.join(5)
    assert not ending.is_alive()
    gate.set()


def test_orphans_do_not_take_the_places(pool: DaemonThreadPool) -> None:
    """With orphans in all places further calls run, one that was queued before too."""
    gate = threading.Event()
    stuck = [blocked_call(pool, gate) for _ in range(2)]
    queued = pool.submit(divmod, 7, 2)
    for call in stuck:
        call.cancel()
    assert queued.result(5) == (3, 1)  # before the calls that hold the places end by themselves
    assert pool.submit(divmod, 9, 2).result(10) == (4, 1)
    gate.set()
    concurrent.futures.wait(stuck, 10)


def test_a_call_that_has_ended_is_not_interrupted(
    pool: DaemonThreadPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An orphan that ends by itself in the last moment gets no signal, nor does its thread."""
    interrupted: list[int] = []
    monkeypatch.setattr(blocked_stdin, "interrupt", interrupted.append)
    is_running, may_end = threading.Event(), threading.Event()

    def work() -> bool:
        is_running.set()
        return may_end.wait(10)

    running, ended = pool.submit(work), threads._Call(int, lambda call: None)
    assert is_running.wait(10)
    assert isinstance(running, threads._Call)
    pool._interrupt([ended, running])
    may_end.set()
    assert len(interrupted) == 1


def test_a_finished_pool_is_forgotten() -> None:
    """Nothing keeps a pool alive that was shut down, nor what its calls referred to."""
    pool = DaemonThreadPool()
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(10)
    pool.shutdown()
    forgotten = weakref.ref(pool)
    del pool
    gc.collect()
    assert forgotten() is None


def test_a_pool_whose_loop_was_closed_by_hand_is_forgotten() -> None:
    """`loop.close()` does not wait for the pool; behind its last call nothing keeps it."""
    pool, may_end = DaemonThreadPool(), threading.Event()
    loop = asyncio.new_event_loop()
    loop.set_default_executor(pool)
    loop.run_until_complete(loop.run_in_executor(None, int))
    pool.submit(may_end.wait)
    loop.close()
    may_end.set()
    forgotten = weakref.ref(pool)
    del pool, loop
    deadline = time.monotonic() + 10
    while forgotten() is not None and time.monotonic() < deadline:
        gc.collect()  # its threads hold it until they have ended
        time.sleep(0.01)
    assert forgotten() is None


def test_a_forked_child_does_not_wait() -> None:
    """A forked child exits in order although the parent's calls do not run in it."""
    script = """
    import warnings
    warnings.simplefilter("ignore")  # 3.12 warns of forks in processes with threads
    gate = threading.Event()
    executor.submit(gate.wait)
    child = os.fork()
    if child == 0:
        sys.exit(7)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    gate.set()
    """
    with child(script, "asyncio") as made:
        assert made.finish() == (0, b"7\n", b"")


@both_loops
def test_a_sleeping_orphan_does_not_hold_the_exit(loop: str) -> None:
    """A synchronous tool that sleeps for 30 s is left behind."""
    script = """
    async def main():
        began = threading.Event()
        call = asyncio.create_task(asyncio.to_thread(lambda: (began.set(), time.sleep(30))))
        while not began.is_set():
            await asyncio.sleep(0.005)
        call.cancel()
        await asyncio.wait([call])
    run(main)
    print("over")
    """
    began = time.monotonic()
    with child(script, loop) as made:
        assert made.finish() == (0, b"over\n", b"")
    assert time.monotonic() - began < 5


@both_loops
def test_a_wanted_call_is_waited_for(loop: str) -> None:
    """A call whose task was not cancelled is finished before the loop's run returns."""
    script = """
    async def main():
        began = threading.Event()
        def work():
            began.set()
            time.sleep(0.3)
            print("saved")
        asyncio.get_running_loop().run_in_executor(None, work)
        while not began.is_set():
            await asyncio.sleep(0.005)
    run(main)
    print("over")
    """
    with child(script, loop) as made:
        assert made.finish() == (0, b"saved\nover\n", b"")


def test_a_wanted_call_is_waited_for_at_exit() -> None:
    """Without any shutdown the exit waits for wanted calls, as the stock pool does."""
    script = """
    def work():
        time.sleep(0.3)
        print("saved")
    executor.submit(work)
    """
    with child(script, "asyncio") as made:
        assert made.finish() == (0, b"saved\n", b"")
