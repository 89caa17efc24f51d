"""#4459: Make user proxy's default impl cancellable.

The run can be cancelled since then. The thread that waits in `input()` cannot: it keeps the
process until somebody presses Enter.
"""

from __future__ import annotations

import asyncio
import sys
import threading

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.messages import UserInputRequestedEvent
from autogen_core import CancellationToken

from supervisor import Supervisor, read_input


def told() -> str:
    """Return whether a thread still waits in `input()`, which the interpreter's end waits for."""
    waiting = [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]
    return "a thread still waits in input()" if waiting else "no thread waits"


async def alone() -> str:
    """Cancel the question; the process ends when somebody presses Enter."""
    token = CancellationToken()
    running = asyncio.create_task(UserProxyAgent("you").run(task="Hello", cancellation_token=token))
    await asyncio.sleep(0.5)
    token.cancel()
    await asyncio.wait([running])
    print(f"CancelledError, and {told()}", flush=True)
    return "Enter was pressed, and asyncio.run could end"


async def supervised() -> str:
    """Ask with `read_input`, which needs no thread."""
    you = UserProxyAgent("you", input_func=read_input)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(you, "Hello")
        async for event in run:
            if isinstance(event, UserInputRequestedEvent):
                asyncio.get_running_loop().call_soon(run.stop, "Enough")
        result = await run
        return f"{result.stop_reason}, and {told()}"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
