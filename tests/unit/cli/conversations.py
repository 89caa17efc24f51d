"""What the tests of conversations share: one with a team of the test's, and what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from supervisor import Ladder, Supervisor
from supervisor._cli.chat.conversation.conversation import Conversation
from supervisor._cli.chat.conversation.sessions import Sessions
from supervisor.types import Runnable

SECONDS = 30.0
"""The limit for an exchange; longer counts as hanging."""


class Source:
    """Makes a team at each call.

    Args:
        make: The team.
    """

    name = "team.py:team"

    def __init__(self, make: Callable[[], Runnable]) -> None:
        self.make = make
        self.built: list[Runnable] = []

    async def build(self) -> Runnable:
        """Make one, and keep it for the test."""
        made = self.make()
        self.built.append(made)
        return made


async def nobody(question: str) -> str:
    """Fail: the test expects no question."""
    raise AssertionError(f"asked {question!r}")


class Chat(Conversation):
    """A conversation whose events are kept.

    Args:
        sup: The supervisor.
        make: Makes the team.
        ask: Answers questions.
        sessions: Where it is kept.
    """

    def __init__(
        self,
        sup: Supervisor,
        make: Callable[[], Runnable],
        *,
        ask: Callable[[str], Awaitable[str]] = nobody,
        sessions: Sessions | None = None,
    ) -> None:
        self.events: list[object] = []
        self.on: Callable[[object], object] = lambda _: None
        """Called with each event, after it was kept."""
        self.source = Source(make)
        super().__init__(sup, self.source, on_event=self._event, ask=ask, sessions=sessions)

    def _event(self, event: object) -> None:
        self.events.append(event)
        self.on(event)

    @property
    def team(self) -> Runnable:
        """The team that was built last."""
        return self.source.built[-1]

    def texts(self) -> list[str]:
        """Return the messages that were shown, as "who: what"."""
        found = [event for event in self.events if hasattr(event, "to_model_text")]
        return [f"{event.source}: {event.to_text()}" for event in found]  # type: ignore[attr-defined]


@asynccontextmanager
async def chat(
    make: Callable[[], Runnable],
    *,
    ask: Callable[[str], Awaitable[str]] = nobody,
    sessions: Sessions | None = None,
    seconds: float = 2.0,
    fast_path: bool = False,
) -> AsyncGenerator[Chat]:
    """Open a conversation, and close it within a limit.

    Args:
        make: Makes the team.
        ask: Answers questions.
        sessions: Where it is kept.
        seconds: How long an answer may take to end when it is stopped.
        fast_path: Whether events take the fast path, which changes the number of steps.
    """
    ladder = Ladder(drain=SECONDS, cancel=seconds, abandon=seconds / 2)
    async with (
        asyncio.timeout(SECONDS),
        Supervisor(signals={}, ladder=ladder, fast_path=fast_path) as sup,
    ):
        found = Chat(sup, make, ask=ask, sessions=sessions)
        await found.open()
        try:
            yield found
        finally:
            found.close()
