"""Asks a user on its terminal, under `run`; after the stop its body asks once more.

python -m tests.blocking.programs.asks LOOP    with a terminal as stdin, which becomes its own
"""

from __future__ import annotations

import fcntl
import sys
import termios
from typing import Any

from supervisor import Ladder, Supervisor, read_input, run
from tests.blocking.programs.facts import tell


async def main(sup: Supervisor) -> None:
    """Run a team of one user."""
    from autogen_agentchat.agents import UserProxyAgent
    from autogen_agentchat.messages import UserInputRequestedEvent
    from autogen_agentchat.teams import RoundRobinGroupChat

    user = UserProxyAgent("user", input_func=read_input)
    team = RoundRobinGroupChat([user], max_turns=2)
    stream = sup.stream(team, "go")
    async for event in stream:
        if isinstance(event, UserInputRequestedEvent):
            tell("asked")
    tell("result", reason=(await stream).stop_reason)
    tell("answer", line=await read_input())


if __name__ == "__main__":
    loop: Any = sys.argv[1]
    # The session's leader takes the terminal: from here on it sends SIGINT for Ctrl-C.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    tell("started")
    run(main, loop=loop, ladder=Ladder(drain=10, cancel=10, abandon=10))
