"""A common script, before and after: a signal handler that cancels the token.

.venv/bin/python examples/terminal/before_and_after.py before  (AutoGen alone; ends after 6 s)
.venv/bin/python examples/terminal/before_and_after.py after

Ctrl-C comes while a model thinks. A `signal.signal` handler runs, but nothing wakes the event loop,
which sleeps until the model answers; the stream goes on for as long as that takes. Under the
supervisor it ends at once, with a result.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from examples.teams import show, summary
from supervisor import Supervisor
from supervisor.testing import ScriptedModel

THINKING_SECONDS = 3.0
_pressed: list[float] = []


def _counting_team() -> RoundRobinGroupChat:
    model = ScriptedModel([str(number) for number in range(1, 21)], seconds=THINKING_SECONDS)
    agent = AssistantAgent("counter", model, model_client_stream=True)
    return RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(10))


async def before() -> None:
    """Run AutoGen alone, with a handler that cancels the token."""
    token = CancellationToken()
    signal.signal(signal.SIGINT, lambda _number, _frame: token.cancel())
    _bound_and_press_ctrl_c()
    with contextlib.suppress(asyncio.CancelledError):
        stream = _counting_team().run_stream(task="Count from 1 to 20", cancellation_token=token)
        async for event in stream:
            show(event)
    print(f"\nEnded {time.monotonic() - _pressed[0]:.3f} s after Ctrl-C, without a TaskResult.")


async def after() -> None:
    """Run the same under a supervisor."""
    async with Supervisor() as sup:
        _bound_and_press_ctrl_c()
        stream = sup.stream(_counting_team(), "Count from 1 to 20")
        async for event in stream:
            show(event)
        seconds = time.monotonic() - _pressed[0]
        print(f"\nEnded {seconds:.3f} s after Ctrl-C: {summary(await stream)}")


def _bound_and_press_ctrl_c() -> None:
    def press() -> None:
        _pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    for seconds, call in ((0.5, press), (6.0, lambda: os._exit(1))):
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        timer.start()


if __name__ == "__main__":
    asyncio.run(before() if sys.argv[1:] == ["before"] else after())
