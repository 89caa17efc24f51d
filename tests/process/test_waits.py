"""Tools that block the loop waiting for something that never comes are interrupted."""

from __future__ import annotations

import signal

import pytest

from tests.process.test_guard import on_each_loop, program

pytestmark = [pytest.mark.process]

_WAITS = {
    "Event.wait": "threading.Event().wait()",
    "Thread.join": "threading.Timer(9, print); it.daemon = True; it.start(); it.join()",
    "Queue.get": "queue.Queue().get()",
    "SimpleQueue.get": "queue.SimpleQueue().get()",
    "Lock.acquire": "threading.Lock(); it.acquire(); it.acquire()",
    "Future.result": "concurrent.futures.Future().result()",
    "run_coroutine_threadsafe": (
        "asyncio.run_coroutine_threadsafe(asyncio.sleep(0), asyncio.get_running_loop()).result()"
    ),
    "subprocess.run": "subprocess.run(['sleep', '60'], capture_output=True)",
    "socket.recv": "socket.socketpair(); it[0].recv(1)",
}
_PROGRAM = """
import concurrent.futures, multiprocessing, queue, socket, subprocess
from autogen_agentchat.agents import AssistantAgent
from supervisor.testing import ScriptedModel, calls

async def wait() -> str:
    "Waits in the loop."
    tell("ready")
    it = {wait}
    return "never"

async def main(sup):
    agent = AssistantAgent("a", ScriptedModel([calls("wait"), "done"]), tools=[wait])
    result = await sup.stream(agent, "go")
    tell(result.stop_reason)

run(main, loop={loop!r}, ladder=Ladder(drain=10, cancel=0.2, abandon=10))
"""


@on_each_loop
@pytest.mark.parametrize("name", list(_WAITS))
def test_a_tool_that_waits_in_the_loop_is_interrupted(loop: str, name: str) -> None:
    """The run has its result, and the process dies by the signal without being forced."""
    with program(_PROGRAM.format(wait=_WAITS[name], loop=loop)) as it:
        it.until("ready")
        it.signal(signal.SIGINT)
        it.until("Stopped by SIGINT")
        assert it.wait() == -signal.SIGINT


@on_each_loop
def test_a_pool_that_is_waited_for_is_interrupted(loop: str) -> None:
    """The run has its result; the pool is ended with the process."""
    wait = "multiprocessing.Pool(1); it.map(time.sleep, [60])"
    with program(_PROGRAM.format(wait=wait, loop=loop)) as it:
        it.until("ready")
        it.signal(signal.SIGINT)
        it.until("Stopped by SIGINT")
        assert it.wait() in (-signal.SIGINT, 137)
