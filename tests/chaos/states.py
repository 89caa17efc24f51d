"""What a program is doing when the signal comes: the rows of the matrix, for all hosts.

A state is up to three things of a program: what it does before it works, its work, and what it does
before it ends. Only the work differs in most. It tells "working" when the signal may come. Here is
no AutoGen: a host without it shall start without it.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import inspect
import multiprocessing
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.process.server import tell

LONG: Final = 30.0
"""Seconds that each state would last by itself."""

Work = Callable[[], Coroutine[Any, Any, str]] | Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class State:
    """A row of the matrix.

    Args:
        work: What is at work; a plain function works in a thread of the loop's default executor.
        who: What of a team works: its model, an agent, or a tool.
        moment: The fact at which the signal is sent.
        has_terminal: Whether its stdin is one.
        has_full_stderr: Whether its stderr is a pipe that nobody reads, and full.
    """

    work: Work
    who: Literal["model", "agent", "tool"] = "agent"
    moment: Literal["starting", "working", "cleaning"] = "working"
    has_terminal: bool = False
    has_full_stderr: bool = False

    async def start_up(self) -> None:
        """Start as the program does: a slow import, and then something that it opens."""
        if self.moment == "starting":
            tell("starting")
            importlib.import_module("tests.chaos.slow")
            await asyncio.sleep(LONG)

    async def do(self) -> str:
        """Do the work, for a host without tools."""
        if inspect.iscoroutinefunction(self.work):
            return str(await self.work())
        return await asyncio.to_thread(self.work)  # type: ignore[arg-type]

    async def clean_up(self) -> None:
        """Clean up as the program does at its end, stopped or not, if it is allowed to."""
        try:
            if self.moment == "cleaning":
                tell("cleaning")
                await asyncio.sleep(LONG)
        finally:
            tell("cleaned up")


async def waits() -> str:
    """Wait, as for a model."""
    tell("working")
    await asyncio.sleep(LONG)
    return "done"


async def refuses() -> str:
    """Swallow every cancellation."""
    tell("working")
    end = time.monotonic() + LONG
    while (now := time.monotonic()) < end:
        try:
            await asyncio.sleep(end - now)
        except asyncio.CancelledError:
            continue
    return "done"


def computes() -> str:
    """Keep a thread busy."""
    tell("working")
    time.sleep(LONG)
    return "done"


async def blocks() -> str:
    """Block the loop with Python code that lets other threads run."""
    return computes()


async def holds() -> str:
    """Hold the GIL: C code waits, and lets no Python run.

    For a lock that is taken already, and not by `sleep()`, which any signal ends.
    """
    until = (ctypes.c_long * 2)(int(time.time() + LONG), 0)  # a timespec
    lock = ctypes.create_string_buffer(128)  # zeros are a free pthread_mutex_t
    c = ctypes.PyDLL(None)
    c.pthread_mutex_lock(lock)
    tell("working")
    c.pthread_mutex_timedlock(lock, until)
    return "done"


async def has_children() -> str:
    """Wait for a process, and end it in order; its own children do not all obey."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec("sh", "-c", _TREE, stdout=pipe)
    assert child.stdout is not None
    await child.stdout.readline()
    tell("working")
    try:
        await child.wait()
    finally:
        child.terminate()
        await child.wait()
    return "done"


# It passes SIGTERM on, as a good parent does, and waits. The last one that is started says so.
_TREE = """
trap 'kill $obeys' TERM
sleep 300 & obeys=$!
(trap '' TERM; exec sleep 300) & refuses=$!
(trap '' TERM; sleep 300 & echo ready; exec sleep 300) &
while kill -0 $refuses; do wait; done
"""


async def leaves_processes() -> str:
    """Start processes as tools do, and end none of them."""
    made = await asyncio.create_subprocess_shell("sleep 300 & sleep 300", stdout=_PIPE)
    subprocess.Popen(["sh", "-c", "sleep 300 & sleep 300"], start_new_session=True)  # noqa: ASYNC220
    threading.Thread(target=_run_commands, daemon=True).start()
    pool = multiprocessing.get_context("fork").Pool(2)
    asked = pool.map_async(time.sleep, [LONG] * 4)
    await asyncio.to_thread(pool.apply_async(abs, (1,)).wait, 0.1)  # for all to be started
    tell("working")
    await made.communicate()
    await asyncio.to_thread(asked.wait)
    return "done"


def _run_commands() -> None:
    while True:  # one after the other, whatever becomes of each
        subprocess.run("sleep 300 & sleep 300", shell=True, check=False)


_PIPE: Final = asyncio.subprocess.PIPE


def reads() -> str:
    """Wait for somebody to type."""
    tell("working")
    return input()


async def has_a_thread() -> str:
    """Wait, beside a thread that sleeps; the signal is sent to that one."""
    thread = threading.Thread(target=time.sleep, args=(LONG,), daemon=True)
    thread.start()
    tell("working", thread=thread.native_id)
    await asyncio.sleep(LONG)
    return "done"


STATES: Final[dict[str, State]] = {
    "cooperative": State(work=waits, who="model"),
    "stubborn": State(work=refuses),
    "executor thread": State(work=computes, who="tool"),
    "blocked loop": State(work=blocks),
    "GIL held in C": State(work=holds),
    "async tool": State(work=waits, who="tool"),
    "child tree": State(work=has_children, who="tool"),
    "tools' processes": State(work=leaves_processes, who="tool"),
    "input()": State(work=reads, has_terminal=True),
    "other thread": State(work=has_a_thread, who="model"),
    "start-up": State(work=waits, who="model", moment="starting"),
    "clean-up": State(work=waits, who="model", moment="cleaning"),
    "stderr full": State(work=refuses, has_full_stderr=True),
}
