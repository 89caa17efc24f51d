"""#7100: CancellationToken doesn't stop run_stream() iteration when cancelled by signal handler.

The handler cancels the token, but nothing wakes the event loop: it sleeps until the model answers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import ScriptedModel


def team_of_a_slow_model() -> RoundRobinGroupChat:
    """Make a team whose model takes five seconds, and press Ctrl-C while it thinks."""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    return RoundRobinGroupChat([AssistantAgent("poet", ScriptedModel(["Rain."], seconds=5))])


async def alone() -> str:
    """Cancel the token in a `signal.signal` handler."""
    token = CancellationToken()
    signal.signal(signal.SIGINT, lambda _number, _frame: token.cancel())
    begun = time.monotonic()
    try:
        await team_of_a_slow_model().run(task="Write", cancellation_token=token)
    except asyncio.CancelledError:
        is_late = time.monotonic() - begun > 4
        return f"CancelledError {'seconds late' if is_late else 'at once'}, and no result"
    return "not stopped"


async def supervised() -> str:
    """Let the supervisor hear the signal."""
    begun = time.monotonic()
    async with Supervisor() as sup:
        result = await sup.stream(team_of_a_slow_model(), "Write")
        is_late = time.monotonic() - begun > 4
        return f"{result.stop_reason} {'seconds late' if is_late else 'at once'}"
    return "stopped before its run"


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
