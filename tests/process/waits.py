"""A tool that blocks the loop waiting for something that never comes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from autogen_agentchat.agents import AssistantAgent

from supervisor import Ladder, Supervisor, run
from supervisor.testing import ScriptedModel, calls
from tests.process.server import tell


def _join() -> None:
    thread = threading.Timer(9, print)
    thread.daemon = True
    thread.start()
    thread.join()


def _acquire() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _wait_for_the_loop() -> None:
    loop = asyncio.get_running_loop()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()


def _receive() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.recv(1)


def _wait_for_a_pool() -> None:
    multiprocessing.Pool(1).map(time.sleep, [60])


POOL: Final = "Pool.map"
WAITS: Final[dict[str, Callable[[], object]]] = {
    "Event.wait": lambda: threading.Event().wait(),
    "Thread.join": _join,
    "Queue.get": lambda: queue.Queue[None]().get(),
    "SimpleQueue.get": lambda: queue.SimpleQueue[None]().get(),
    "Lock.acquire": _acquire,
    "Future.result": lambda: concurrent.futures.Future[None]().result(),
    "run_coroutine_threadsafe": _wait_for_the_loop,
    "subprocess.run": lambda: subprocess.run(["sleep", "60"], capture_output=True, check=False),
    "socket.recv": _receive,
    POOL: _wait_for_a_pool,
}


def waits_in_the_loop(*, loop: Any, name: str) -> None:
    """Run an agent whose tool blocks the loop in this way."""

    async def wait() -> str:
        tell("busy")
        WAITS[name]()
        return "never"

    async def main(sup: Supervisor) -> None:
        model = ScriptedModel([calls("wait"), "done"])
        agent = AssistantAgent("a", model, tools=[wait])
        result = await sup.stream(agent, "go")
        tell("result", reason=result.stop_reason)

    run(main, loop=loop, ladder=Ladder(drain=10, cancel=0.2, abandon=10))
