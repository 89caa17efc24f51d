"""Teams in processes of their own: on Ctrl-C, and on SIGTERM to the parent, each has its result.

.venv/bin/python examples/workers/processes.py            (press Ctrl-C, or `kill` the parent)
.venv/bin/python examples/workers/processes.py spawn      (or fork, forkserver)

Ctrl-C at a terminal reaches the children too; SIGTERM from a service manager does not, so the
parent passes its stop on. Each child has a block of its own around all that it does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage

from examples.teams import counters, summary
from supervisor import StopRequest, Supervisor, run


def work(number: int) -> None:
    """Run a team, as a child."""
    asyncio.run(count(number))


async def count(number: int) -> None:
    """Print what the team says, and its result: in the block, for a second signal may come late."""
    async with Supervisor() as sup:
        async for event in sup.stream(counters(pause=0.1), "Count from 1 to 20"):
            if isinstance(event, TextMessage | TaskResult):
                words = summary(event) if isinstance(event, TaskResult) else event.content
                print(f"Child {number}: {words}", flush=True)


def pass_on(request: StopRequest) -> None:
    """Have the children stop in order, too, unless the terminal has told them."""
    if request.signal == signal.SIGINT:
        return
    for child in multiprocessing.active_children():
        child.terminate()  # SIGTERM


async def main(sup: Supervisor) -> None:
    """Start two children, and wait for them."""
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    sup.on_stop(pass_on)
    children = [multiprocessing.Process(target=work, args=(number,)) for number in (1, 2)]
    for child in children:
        child.start()
    # DRAIN waits for spawned tasks, and so for the children.
    try:
        await asyncio.wait([sup.spawn(asyncio.to_thread(child.join)) for child in children])
    finally:  # at CANCEL they have another second, before `run` ends them
        await asyncio.wait([asyncio.create_task(asyncio.to_thread(c.join, 1)) for c in children])
    print("The children have ended.", flush=True)


if __name__ == "__main__":
    run(main)
