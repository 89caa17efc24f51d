"""Programs that start processes in each way that users do, and do not end them."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import psutil
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Ladder, Supervisor, run
from tests.process import agents
from tests.process.agents import streamer
from tests.process.scenarios import LADDER, LINGER, loop_factory
from tests.process.server import tell

# A shell and its child; each says its pid.
_PAIR = "sleep 300 & echo $$ $!; exec sleep 301"
_REFUSES = "trap '' TERM; (trap '' TERM; exec sleep 300) & echo $$ $!; exec sleep 301"
_ORPHAN = "sleep 300 > /dev/null & echo $!"
_DAEMON = (
    "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
    "print(os.getpid(), flush=True); os.close(1); time.sleep(300)"
)


async def _shell(script: str) -> str:
    """Run a development server, as people write it."""
    pipe = asyncio.subprocess.PIPE
    made = await asyncio.create_subprocess_shell(script, stdout=pipe)
    assert made.stdout is not None
    _tell_pids((await made.stdout.readline()).decode())
    out, _ = await made.communicate()
    return out.decode()


async def by_shell() -> str:
    """Run it by a shell."""
    return await _shell(_PAIR)


async def refuses() -> str:
    """Run one that ignores SIGTERM."""
    return await _shell(_REFUSES)


def in_thread() -> str:
    """Run it in a thread, and then the next one: `subprocess.run` in a loop."""
    for _ in range(1000):
        with subprocess.Popen(["sh", "-c", _PAIR], stdout=subprocess.PIPE, text=True) as made:
            assert made.stdout is not None
            _tell_pids(made.stdout.readline())
            made.wait()
    return "done"


async def outer_thread() -> str:
    """Run it in a thread that the interpreter waits for at its end."""
    threading.Thread(target=_wait_for_one).start()
    await asyncio.sleep(LINGER)
    return "done"


def _wait_for_one() -> None:
    with subprocess.Popen(["sh", "-c", _PAIR], stdout=subprocess.PIPE, text=True) as made:
        assert made.stdout is not None
        _tell_pids(made.stdout.readline())
        made.wait()


async def own_session() -> str:
    """Start a server in a session of its own."""
    _serve()
    await asyncio.sleep(LINGER)
    return "done"


def _serve() -> None:
    words = ["sh", "-c", _PAIR]
    made = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert made.stdout is not None
    _tell_pids(made.stdout.readline())


async def orphan() -> str:
    """Leave one behind in a shell that ends before the stop."""
    _tell_output("sh", "-c", _ORPHAN)
    await asyncio.sleep(LINGER)
    return "done"


async def daemon() -> str:
    """Start one that leaves its parent and its session."""
    _tell_output(sys.executable, "-c", _DAEMON)
    await asyncio.sleep(LINGER)
    return "done"


async def pool() -> str:
    """Compute in a pool of processes."""
    made = multiprocessing.get_context("fork").Pool(2)
    pids = made.map(_pid, range(2))
    asked = made.map_async(time.sleep, [LINGER] * 4)
    tell("children", pids=pids)
    await asyncio.to_thread(asked.wait)
    return "done"


def _pid(_: int) -> int:
    time.sleep(0.05)
    return os.getpid()


async def starts_on() -> str:
    """Start a thread that starts one process after the other."""
    threading.Thread(target=_start_on, daemon=True).start()
    await asyncio.sleep(LINGER)
    return "done"


async def starts_again() -> str:
    """Start a thread that starts a new one as soon as the last one has ended."""
    threading.Thread(target=_start_again, daemon=True).start()
    await asyncio.sleep(LINGER)
    return "done"


def _start_again() -> None:
    while True:
        with subprocess.Popen(["sleep", "300"]) as made:
            tell("children", pids=[made.pid])


def _start_on() -> None:
    started = [subprocess.Popen(["sleep", "300"]) for _ in range(3)]
    tell("children", pids=[made.pid for made in started])
    while True:
        started.append(subprocess.Popen(["sleep", "300"]))
        time.sleep(0.01)


def _tell_output(*command: str) -> None:
    _tell_pids(subprocess.check_output(command, text=True))


def _tell_pids(words: str) -> None:
    tell("children", pids=[int(word) for word in words.split()])


TOOLS: dict[str, Callable[[], Any]] = {
    tool.__name__: tool
    for tool in (
        by_shell,
        refuses,
        in_thread,
        outer_thread,
        own_session,
        orphan,
        daemon,
        pool,
        starts_on,
        starts_again,
    )
}


def leaves(
    *,
    loop: Any,
    tool: str,
    settings: dict[str, Any] | None = None,
    is_endless: bool = False,
    is_stubborn: bool = False,
    raises: bool = False,
) -> None:
    """Run a tool that starts processes.

    Args:
        loop: Which event loop.
        tool: Which tool.
        settings: For `run`.
        is_endless: Whether the ladder has no end.
        is_stubborn: Whether an agent swallows every cancellation.
        raises: Whether `main` raises when its run is over.
    """

    async def main(sup: Supervisor) -> None:
        people: list[ChatAgent | Team] = [agents.tool_caller("caller", TOOLS[tool])]
        if is_stubborn:
            people = [streamer("stubborn", _stubborn(TOOLS[tool]))]
        team = RoundRobinGroupChat(people, max_turns=1, name="team")
        result = await sup.stream(team, task="go")
        tell("result", reason=result.stop_reason)
        if raises:
            raise ValueError("of main")

    atexit.register(_tell_who_is_there)
    logger = logging.getLogger("supervisor")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Teller())
    ladder = Ladder(drain=0.8, cancel=0.5, abandon=math.inf) if is_endless else LADDER
    run(main, loop=loop, ladder=ladder, **(settings or {}))


def _stubborn(tool: Callable[[], Any]) -> agents.Work:
    async def work() -> AsyncGenerator[str, None]:
        task = asyncio.ensure_future(tool())
        async for chunk in agents.ignores(LINGER, cancels=math.inf)():
            yield chunk
        await task

    return work


class _Teller(logging.Handler):
    """Reports which daemons the log names."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell."""
        if "daemons" in record.__dict__:
            tell("daemons", names=record.__dict__["daemons"])


def _tell_who_is_there() -> None:
    tell("atexit", pids=[child.pid for child in psutil.Process().children(recursive=True)])


def goes_on(*, loop: Any) -> None:
    """Go on after `run`, and start a process of the host's own."""
    with contextlib.suppress(SystemExit):
        leaves(loop=loop, tool="by_shell", settings={"stop_status": 0})
    made = subprocess.Popen(["sleep", "302"])
    atexit.register(tell, "behind")
    tell("more", pids=[made.pid])


def block_ends(*, loop: Any) -> None:
    """End in a block what was started in it, and go on."""

    async def main() -> None:
        async with Supervisor(ladder=LADDER, children="own") as sup:
            caller = agents.tool_caller("caller", refuses)
            await sup.stream(RoundRobinGroupChat([caller], max_turns=1), task="go")
        tell("behind")
        await asyncio.sleep(LINGER)

    _in_loop(loop, main())


def _in_loop(loop: Any, main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(main)


PROGRAMS: dict[str, Callable[..., Any]] = {
    program.__name__: program for program in (leaves, goes_on, block_ends)
}
