"""#7007: ValueError: task_done() called too many times.

A second Ctrl-C, or a second `task.cancel()`, replaces the runtime's queue under a live handler.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable

from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent


async def cancel_twice(run: Awaitable[object], started: asyncio.Event) -> None:
    """Cancel the task of a run twice, as two Ctrl-Cs do."""
    running = asyncio.ensure_future(run)
    await started.wait()
    for _ in range(2):
        running.cancel()
        await asyncio.sleep(0.01)
    await asyncio.wait([running])


async def errors_at_the_end() -> str:
    """Cancel what is left, as `asyncio.run` does, and return what the event loop complains of."""
    errors: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: errors.append(repr(context.get("exception")))
    )
    left = [task.cancel() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.sleep(0.1)
    gc.collect()  # an exception that nobody has retrieved is told of when its task is collected
    return f"{len(left)} tasks are left; {errors[0] if errors else 'no error'}"


def busy_team() -> tuple[RoundRobinGroupChat, asyncio.Event]:
    """Make a team whose agent does not end soon, and an event that is set when it begins."""
    started = asyncio.Event()

    async def work(_messages: object, _token: object) -> str:
        started.set()
        await asyncio.sleep(3600)
        return "Done."

    return RoundRobinGroupChat([ScriptedAgent("worker", work)], max_turns=1), started


async def alone() -> str:
    """Cancel AutoGen's own run."""
    team, started = busy_team()
    await cancel_twice(team.run(task="Work"), started)
    return await errors_at_the_end()


async def supervised() -> str:
    """Cancel the supervised run."""
    team, started = busy_team()
    async with Supervisor(signals={}) as sup:
        await cancel_twice(sup.stream(team, "Work"), started)
    return await errors_at_the_end()


if __name__ == "__main__":
    print(asyncio.run(alone() if "alone" in sys.argv else supervised()), flush=True)
