"""The programs that the server's children run, by name; one idea each."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Ladder, Rung, Supervisor, run
from supervisor._signals.registry import registry
from supervisor.errors import Quarantined
from tests.checkpoints import programs as checkpoints
from tests.process import (
    agents,
    command_lines,
    families,
    forks,
    hosts,
    interactive,
    leavers,
    moments,
    scenarios,
    sources,
    waits,
)
from tests.process.agents import streamer
from tests.process.scenarios import LADDER, LINGER
from tests.process.server import tell

PROGRAMS: dict[str, Callable[..., Any]] = {
    "run": scenarios.under_run,
    "block": scenarios.as_block,
    "family": families.family,
    "tree": families.tree,
    "blocked_family": families.blocked_family,
    "shares_signal": families.shares_signal,
    "executes": families.executes,
    "keeps_a_server": families.keeps_a_server,
    "forks": forks.forks,
    "blocks_first": hosts.blocks_first,
    "works_first": hosts.works_first,
    "nests": hosts.nests,
    "guest": hosts.guest,
    "twice": hosts.twice,
    "test_runner": hosts.test_runner,
    "fork_server": hosts.fork_server,
    "forking": hosts.forking,
    "waits_in_the_loop": waits.waits_in_the_loop,
    **checkpoints.PROGRAMS,
    **command_lines.PROGRAMS,
    **interactive.PROGRAMS,
    **leavers.PROGRAMS,
    **moments.PROGRAMS,
    **sources.PROGRAMS,
}


def _program(function: Callable[..., Any]) -> Callable[..., Any]:
    PROGRAMS[function.__name__] = function
    return function


def _in_loop(loop: str, main: Coroutine[Any, Any, Any]) -> None:
    with asyncio.Runner(loop_factory=scenarios.loop_factory(loop)) as runner:
        runner.run(main)


async def _quiet(sup: Supervisor, fact: str = "busy") -> None:
    """Run a team that waits for its model; print when, and how it ended."""
    work = agents.speaks(fact, LINGER)
    team = RoundRobinGroupChat([streamer("quiet", work)], max_turns=1, name="team")
    result = await sup.stream(team, task="go")
    tell("result", reason=result.stop_reason, at=time.monotonic())


# -- signals ------------------------------------------------------------------------------------


@_program
def to_another_thread(*, loop: str, foreign: str) -> None:
    """Have the kernel deliver the signal to a thread other than the main one.

    `foreign`: whether, and in which way, somebody else has used the loop's signal handlers.
    """

    async def main() -> None:
        running = asyncio.get_running_loop()
        async with Supervisor(ladder=LADDER):
            if foreign in ("added", "removed"):
                running.add_signal_handler(signal.SIGUSR1, tell, "usr1")
            if foreign == "removed":
                running.remove_signal_handler(signal.SIGUSR1)
            tell("ready")
            threading.Thread(target=_raise_here, args=(signal.SIGTERM,), daemon=True).start()
            await asyncio.sleep(LINGER)
        tell("left", at=time.monotonic())

    _in_loop(loop, main())


def _raise_here(number: int) -> None:
    tell("sent", at=time.monotonic())
    signal.pthread_kill(threading.get_ident(), number)
    time.sleep(LINGER)  # the thread lives on, asleep


@_program
def foreign_handler(*, loop: str) -> None:
    """Call somebody's `add_signal_handler(SIGUSR1)` before, in, and after the block."""

    async def main() -> None:
        running = asyncio.get_running_loop()
        heard = asyncio.Event()

        def hear() -> None:
            heard.set()

        async def hears(where: str) -> None:
            heard.clear()
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(heard.wait(), 2)
            tell("heard", where=where)

        running.add_signal_handler(signal.SIGUSR1, hear)
        await hears("before")
        async with Supervisor(ladder=LADDER):
            await hears("in")
            running.remove_signal_handler(signal.SIGUSR1)
            running.add_signal_handler(signal.SIGUSR1, hear)
            await hears("anew")
        await hears("behind")
        async with Supervisor(ladder=LADDER):
            await hears("again")
            tell("ready")
            await asyncio.sleep(LINGER)
        tell("left")

    _in_loop(loop, main())


@_program
def storm(*, loop: Any) -> None:
    """Run a team that waits, under `run`, while thousands of signals come."""

    async def main(sup: Supervisor) -> None:
        await _quiet(sup)

    run(main, loop=loop, ladder=LADDER)


@_program
def linked_futures(*, loop: Any, count: int) -> None:
    """Give the token so many futures to cancel at a signal, and a second signal meanwhile."""

    async def main(sup: Supervisor) -> None:
        running = asyncio.get_running_loop()
        futures = [running.create_future() for _ in range(count)]

        sup.token.add_callback(lambda: tell("cancelling"))
        for future in futures:
            sup.token.link_future(future)
        tell("busy")
        try:
            await sup.wait_stop()
        finally:
            tell("done", cancelled=sum(future.cancelled() for future in futures))

    run(main, loop=loop, ladder=Ladder(drain=1, cancel=8, abandon=8))


@_program
def many(*, loop: Any, count: int) -> None:
    """Run so many teams that wait for their model when one signal comes."""

    async def main(sup: Supervisor) -> None:
        waiting = asyncio.Semaphore(0)

        async def wait() -> AsyncGenerator[str, None]:
            yield "here"
            waiting.release()
            await asyncio.sleep(LINGER)

        teams = [RoundRobinGroupChat([streamer("quiet", wait)], max_turns=1) for _ in range(count)]
        running = [asyncio.create_task(sup.stream(team, "go")) for team in teams]
        for _ in range(count):
            await waiting.acquire()
        tell("busy")
        results = await asyncio.gather(*running)
        tell("results", reasons=Counter(result.stop_reason for result in results))

    run(main, loop=loop, ladder=Ladder(drain=1, cancel=8, abandon=8))


@_program
def spans_two_runs(*, loop: str) -> None:
    """Enter a supervisor in one run of the loop, and leave it in the next."""
    made = scenarios.loop_factory(loop)()
    sup = Supervisor(ladder=LADDER)
    made.run_until_complete(sup.__aenter__())

    async def second() -> None:
        tell("ready")
        request = await sup.wait_stop()
        tell("stopped", reason=request.reason)
        await sup.__aexit__(None, None, None)

    made.run_until_complete(second())
    made.close()
    sys.exit(sup.exit_status)


@_program
def nohup(*, loop: Any) -> None:
    """Run with SIGHUP and SIGINT ignored since the process started."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)

    async def main(sup: Supervisor) -> None:
        for number in (signal.SIGHUP, signal.SIGINT):
            tell("handler", ignored=signal.getsignal(number) == signal.SIG_IGN)
        await _quiet(sup)

    run(main, loop=loop, ladder=LADDER)


@_program
def forks_in_the_block(*, loop: Any) -> None:
    """Fork a child while the block is open."""

    async def main(sup: Supervisor) -> None:
        status = _end_a_fork()
        await asyncio.sleep(0.05)  # a byte that it wrote to our wakeup fd would be here by now
        tell("child ended", status=status, parent=sup.rung.name)

    run(main, loop=loop, ladder=LADDER)


def _end_a_fork() -> int:
    """Fork, have the child end by SIGTERM; returns its wait status as an exit code."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)  # never left behind
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        tell("child", default=handlers == [signal.SIG_DFL, signal.default_int_handler])
        while True:
            signal.pause()
    os.kill(pid, signal.SIGTERM)  # possibly before it has run a single line
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


@_program
def soaked(*, host: str, **arguments: Any) -> None:
    """Run another program, and report as soon as its signals are handled."""
    add = registry.add

    def told(member: Any) -> bool:
        is_new = add(member)
        tell("handled")
        return is_new

    setattr(registry, "add", told)  # noqa: B010
    PROGRAMS[host](**arguments)


# -- ends ---------------------------------------------------------------------------------------


@_program
def ends(*, how: str, loop: Any, stop_status: int | None = None) -> None:
    """End under `run`, in this way."""
    atexit.register(tell, "atexit")

    async def main(sup: Supervisor) -> str:
        if how == "raises":
            raise ValueError("main has failed")
        if how == "exits":
            sys.exit(7)
        if how == "stops":
            sup.stop("enough")
        if how in ("stops", "signal"):
            await _quiet(sup)
        if how.startswith("thread"):
            threading.Thread(target=time.sleep, args=(LINGER,), name="lingerer").start()
            if how == "thread and stop":
                asyncio.get_running_loop().call_later(0.1, sup.stop, "enough")
            await _quiet(sup)
        return "value"

    value = run(main, loop=loop, ladder=LADDER, stop_status=stop_status)
    tell("returned", value=value)


@_program
def leaves_a_quarantined_team(*, loop: Any) -> None:
    """Stop one run, which refuses, and return."""

    async def main(sup: Supervisor) -> None:
        refuser = streamer("mule", agents.ignores(3600, cancels=float("inf")))
        refusing = sup.stream(refuser, "go")
        asyncio.get_running_loop().call_later(0.2, refusing.stop, "enough")
        with contextlib.suppress(Quarantined):
            await refusing

    run(main, loop=loop, ladder=LADDER)


def _linger() -> None:
    time.sleep(LINGER)


@_program
def ends_behind(*, how: str, loop: Any) -> None:
    """Delay the interpreter's end, or the program's code, after a signal stopped its block."""

    async def main() -> int:
        async with Supervisor(ladder=LADDER) as sup:
            if how == "thread":
                threading.Thread(target=time.sleep, args=(LINGER,), name="lingerer").start()
            elif how == "executor":
                ThreadPoolExecutor(thread_name_prefix="lingerer").submit(_linger)
            elif how == "atexit":
                atexit.register(time.sleep, LINGER)
            await _quiet(sup)
        return sup.exit_status

    with asyncio.Runner(loop_factory=scenarios.loop_factory(loop)) as runner:
        status = runner.run(main())
    tell("behind")
    if how == "own code":
        time.sleep(LADDER.budget(Rung.CANCEL) + 0.2)
    sys.exit(status)


@_program
def before_the_loop(*, loop: Any) -> None:
    """Take long to make the loop, as uvloop's import does, before a team would run."""
    import uvloop

    module: Any = uvloop if loop == "uvloop" else asyncio.events
    make = module.new_event_loop

    def slowly() -> asyncio.AbstractEventLoop:
        tell("making")
        select.select([0], [], [])  # until the test has sent its signal
        made: asyncio.AbstractEventLoop = make()
        return made

    module.new_event_loop = slowly

    async def main(sup: Supervisor) -> None:
        tell("main", rung=sup.rung.name)
        await _quiet(sup)
        tell("never")

    run(main, loop=loop, ladder=LADDER)


@_program
def blocked(*, loop: Any, fill: bool) -> None:
    """Block the loop for good; with `fill`, after stderr was made a full pipe."""
    if fill:
        os.set_blocking(2, False)
        try:
            while True:
                os.write(2, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(2, True)

    async def main(sup: Supervisor) -> None:
        work = agents.keeps(LINGER)
        team = RoundRobinGroupChat([streamer("blocker", work)], max_turns=1, name="team")
        await sup.stream(team, task="go")

    run(main, loop=loop, ladder=LADDER, signals={"SIGTERM": Rung.DRAIN})
