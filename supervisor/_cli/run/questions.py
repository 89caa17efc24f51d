"""Questions to the user: asked on stdin, behind what was said before, and ended by a stop.

AutoGen's `UserProxyAgent` calls `input()` in a thread, which no stop can end. Where nobody can
answer, because stdin is at its end, the run fails at once and says so.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from supervisor._process.stdin import read_input
from supervisor._reports.run_json import kind_of

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable

_REQUEST: Final = "UserInputRequestedEvent"
_NOBODY: Final = (
    "{!r} asks its user, and stdin has ended; answer at the terminal, or give the answers by a pipe"
)
_SHOWN_SECONDS: Final = 0.5  # an inner team may keep its request to itself


class Questions:
    """The questions of the agents of one run."""

    def __init__(self) -> None:
        self._shown = asyncio.Semaphore(0)

    def take_over(self, team: Runnable) -> None:
        """Have the agents of a team ask here, except those that were told how to ask."""
        from supervisor._autogen.user_input import ask_through

        ask_through(team, self._ask, by_default=True)

    def note(self, event: object) -> None:
        """Note that an event was shown: the announcement of a question."""
        if kind_of(event) == _REQUEST:
            self._shown.release()

    async def _ask(self, question: str) -> str:
        try:
            async with asyncio.timeout(_SHOWN_SECONDS):
                await self._shown.acquire()
        except TimeoutError:
            pass
        is_typed = sys.stdin is not None and sys.stdin.isatty()
        try:
            return await read_input(f"{question} " if is_typed else f"{question}\n")
        except EOFError:
            who = question.partition(":")[0]
            raise EOFError(_NOBODY.format(who)) from None
