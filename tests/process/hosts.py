"""Hosts that start a loop late, twice, in a thread, or five hundred times.

Each tells what it has left changed. What lasts for the life of a process, as the sockets of the
wakeup fd do, is there before: a block was entered and left.
"""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Ladder, Supervisor, run
from tests.as_found import Snapshot
from tests.process import agents
from tests.process.agents import Work, streamer
from tests.process.scenarios import LADDER, LINGER, loop_factory
from tests.process.server import tell

_LONG = Ladder(drain=20, cancel=20, abandon=20)
_OURS = re.compile(r"<class '(supervisor|autogen|uvloop|asyncio|tests)")
_STOPPED = 5  # the status of a `run` that the host goes on behind


def _in_loop(loop: str, main: Coroutine[Any, Any, Any]) -> None:
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(main)


def _leaves_as_found(host: Callable[[], None], loop: str) -> None:
    """Run as that host, and report what has changed by it."""
    before = Snapshot.take()
    _in_loop(loop, _warm())
    before.changes()  # waits for what is on its way out
    found = Snapshot.take(whole=True)
    host()
    tell("closed", changed=found.changes())


async def _warm() -> None:
    async with Supervisor() as sup:
        await _work(sup, agents.speaks("warm", 0.0))


async def _work(sup: Supervisor, work: Work) -> str | None:
    team = RoundRobinGroupChat([streamer("worker", work)], max_turns=1, name="team")
    return (await sup.stream(team, task="go")).stop_reason


async def _waits(sup: Supervisor, fact: str = "busy") -> None:
    """Run a team that waits for its model; print how it ended."""
    tell("result", reason=await _work(sup, agents.speaks(fact, LINGER)))


def _run(main: Callable[[Supervisor], Coroutine[Any, Any, None]], loop: Any) -> bool:
    """Call `supervisor.run` in a host that goes on after it; return whether it was stopped."""
    try:
        run(main, loop=loop, ladder=LADDER, stop_status=_STOPPED)
    except SystemExit as end:
        return end.code == _STOPPED
    return False


# -- late ---------------------------------------------------------------------------------------


def blocks_first(*, loop: Any, how: str) -> None:
    """Begin `main` with synchronous lines, before which the loop has not taken a step."""

    async def main(sup: Supervisor) -> None:
        tell("busy")
        end = time.monotonic() + LINGER
        if how == "sleeps":
            agents.hold_the_loop(LINGER)
        while time.monotonic() < end:
            pass
        tell("never")

    _leaves_as_found(lambda: tell("stopped", was=_run(main, loop)), loop)


def works_first(*, loop: Any) -> None:
    """Do synchronous work, with handlers of its own, before `run` is called."""

    def work() -> None:
        tell("working")
        sys.stdin.read()

    def host() -> None:
        work()
        tell("stopped", was=_run(_waits, loop))

    def hear(_number: int, _frame: object) -> None:
        tell("hup")

    signal.signal(signal.SIGHUP, hear)
    _leaves_as_found(host, loop)
    signal.raise_signal(signal.SIGHUP)


# -- more than one ------------------------------------------------------------------------------


def nests(*, loop: str, refuses: bool) -> None:
    """Open a supervisor with much time inside one with little."""
    work = agents.ignores(LINGER, cancels=float("inf")) if refuses else agents.waits(LINGER)

    async def main() -> None:
        async with Supervisor(ladder=LADDER) as outer:
            async with Supervisor(ladder=_LONG) as inner:
                await _work(inner, agents.speaks("inner", 0.0))
            async with Supervisor(ladder=_LONG) as inner:
                tell("result", reason=await _work(inner, work))
            tell("inner left", outer=outer.rung.name)
            await outer.stream(
                RoundRobinGroupChat([streamer("late", work)], name="late"), task="go"
            )
            tell("never")

    _leaves_as_found(lambda: _in_loop(loop, main()), loop)


def guest(*, loop: str, beside: bool) -> None:
    """Open a supervisor in another thread: beside one of the main thread, or alone."""
    is_open = threading.Event()
    opened: list[Supervisor] = []

    async def in_thread() -> None:
        async with Supervisor(ladder=LADDER) as sup:
            opened.append(sup)
            is_open.set()
            await _waits(sup)
        tell("guest left", reason=sup.stop_request.reason if sup.stop_request else None)

    async def in_main(thread: threading.Thread) -> None:
        async with Supervisor(ladder=LADDER) as sup:
            tell("open")
            await sup.wait_stop()
            await asyncio.to_thread(thread.join)

    def host() -> None:
        found = Snapshot.take()
        thread = threading.Thread(target=lambda: _in_loop(loop, in_thread()))
        thread.start()
        if beside:
            _in_loop(loop, in_main(thread))
            return
        is_open.wait()
        changed = found.changes(grace=0.0)
        tell("beside", changed=[change for change in changed if "thread left" not in change])
        sys.stdin.read()
        opened[0].stop("The host asks")
        thread.join()

    _leaves_as_found(host, loop)


def twice(*, loop: Any, how: str, first: str) -> None:
    """Run two loops in turn; the second is stopped, and the first is stopped or ends."""

    async def main(sup: Supervisor) -> None:
        if len(ends) > 0 or first == "stopped":
            await _waits(sup)

    async def block() -> None:
        async with Supervisor(ladder=LADDER) as sup:
            await main(sup)
        ends.append(sup.stop_request is not None)

    def host() -> None:
        if how == "run":
            ends.append(_run(main, loop))
        else:
            _in_loop(loop, block())

    ends: list[bool] = []
    _leaves_as_found(host, loop)
    _leaves_as_found(host, loop)
    tell("ends", stopped=ends)


# -- many ---------------------------------------------------------------------------------------

_TESTS = """
import asyncio
import pytest
from supervisor import Supervisor
from tests.process import hosts

@pytest.mark.parametrize("number", range({count}))
def test_a_small_team(number):
    hosts.small_team({loop!r}, number)
"""


def test_runner(*, loop: str, count: int) -> None:
    """Run pytest in this process, with so many tests that each open a supervisor."""
    _pytest(loop, 1)  # it imports readline, which takes SIGWINCH for good
    _leaves_as_found(lambda: tell("tested", status=_pytest(loop, count)), loop)


def _pytest(loop: str, count: int) -> int:
    import pytest

    with TemporaryDirectory() as folder:
        path = Path(folder, f"test_{count}.py")
        path.write_text(_TESTS.format(count=count, loop=loop))
        options = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", f"--rootdir={folder}"]
        return int(pytest.main([*options, str(path)]))


def small_team(loop: str, number: int) -> None:
    """Run one of many small tests; every hundredth reports what there is."""

    async def main() -> None:
        async with Supervisor(guard=number % 100 == 0) as sup:
            if number % 2:
                asyncio.get_running_loop().call_later(0.001, sup.stop, "Enough")
            await _work(sup, agents.speaks("spoke", 0.001))

    _in_loop(loop, main())
    if number % 100 == 99:
        _until_watchdogs_ended()
        gc.collect()
        names = Counter(f"{type(thing)}" for thing in gc.get_objects())
        ours = {name: count for name, count in names.items() if _OURS.match(name)}
        memory = psutil.Process().memory_info().rss
        tell("many", number=number, ours=sum(ours.values()), kinds=ours, memory=memory)


def _until_watchdogs_ended() -> None:
    """Leave a block while its watchdog still refers to objects of ours; the block does not wait."""
    for thread in threading.enumerate():
        if thread.name == "supervisor-watchdog":
            thread.join()


def fork_server(*, loop: str, count: int) -> None:
    """Open a supervisor now and then, and fork children that have their own, inside it and outside.

    From the main thread, and from others.
    """

    async def forks() -> None:
        async with Supervisor(ladder=LADDER) as sup:
            _serve_one("block", loop)
            await _work(sup, agents.speaks("spoke", 0.0))
            for how in ("run", "block"):
                await asyncio.to_thread(_serve_one, how, loop)
            tell("parent", rung=sup.rung.name)

    def host() -> None:
        for _ in range(count):
            _serve_one("block", loop)
            _in_loop(loop, forks())
            _serve_one("run", loop)

    _leaves_as_found(host, loop)


def _serve_one(how: str, loop: Any) -> None:
    """Fork a child, stop it by a signal, and report how it ended."""
    ready, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _child(how, loop, writer)
        finally:
            os._exit(99)
    os.close(writer)
    os.read(ready, 1)
    os.close(ready)
    os.kill(pid, signal.SIGTERM)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tell("child", how=how, status=status)


def _child(how: str, loop: Any, writer: int) -> None:
    signal.alarm(int(LINGER))

    async def main(sup: Supervisor) -> None:
        sup.spawn(_say(writer))
        await _waits(sup)

    async def block() -> int:
        async with Supervisor(ladder=LADDER) as sup:
            await main(sup)
        return sup.exit_status

    if how == "run":
        run(main, loop=loop, ladder=LADDER)
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        os._exit(runner.run(block()))


async def _say(writer: int) -> None:
    os.write(writer, b"!")


def forking(*, loop: Any, in_thread: bool) -> None:
    """Fork children all the time, in the loop or in a thread, while a team waits."""

    async def main(sup: Supervisor) -> None:
        is_over = threading.Event()
        thread = threading.Thread(target=_fork_until, args=(is_over,))
        if in_thread:
            thread.start()
        else:
            sup.spawn(_fork_in_loop())
        try:
            await _waits(sup)
        finally:
            is_over.set()

    run(main, loop=loop, ladder=LADDER)


def _fork_until(is_over: threading.Event) -> None:
    while not is_over.is_set():
        _fork_one()


async def _fork_in_loop() -> None:
    while True:
        _fork_one()
        await asyncio.sleep(0)


def _fork_one() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
