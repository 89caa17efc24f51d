"""Tools that block the loop waiting for something that never comes are interrupted."""

from __future__ import annotations

import signal

import pytest

from tests.process.harness import Server
from tests.process.waits import POOL, WAITS

pytestmark = [pytest.mark.process]

on_each_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@on_each_loop
@pytest.mark.parametrize("name", [name for name in WAITS if name != POOL])
def test_a_tool_that_waits_in_the_loop_is_interrupted(server: Server, loop: str, name: str) -> None:
    """The run has its result, and the process dies by the signal without being forced."""
    assert _status_after_interrupt(server, loop, name) == -signal.SIGINT


@on_each_loop
def test_a_pool_that_is_waited_for_is_interrupted(server: Server, loop: str) -> None:
    """The run has its result; the pool is ended with the process."""
    assert _status_after_interrupt(server, loop, POOL) in (-signal.SIGINT, 137)


def _status_after_interrupt(server: Server, loop: str, name: str) -> int:
    with server.start("waits_in_the_loop", loop=loop, name=name) as child:
        child.until("busy")
        child.signal(signal.SIGINT)
        assert child.until("result")["reason"] == "Stopped by SIGINT"
        return child.wait()
