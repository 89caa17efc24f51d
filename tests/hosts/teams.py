"""The teams that the servers run; each says on stdout when it begins, and when it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final

from autogen_agentchat.base import Team
from autogen_agentchat.messages import BaseChatMessage
from autogen_core import CancellationToken

from tests.agents import Agent, Streaming, Stubborn, Tidy, team
from tests.hosts.scenes import CANCELLED, STARTED

_FOR_EVER: Final = 100_000  # turns, or chunks


class _Announced(Agent):
    """Says when its first turn begins, and when one of its turns is cancelled."""

    async def _turn(
        self, heard: Sequence[BaseChatMessage], token: CancellationToken
    ) -> AsyncGenerator[str | BaseChatMessage, None]:
        if not self.turns:
            print(STARTED, flush=True)
        try:
            async for said in super()._turn(heard, token):
                yield said
        except asyncio.CancelledError:
            print(CANCELLED, flush=True)
            raise


class _Speaks(_Announced, Streaming):
    pass


class _Waits(_Announced, Tidy):
    pass


class _Refuses(_Announced, Stubborn):
    pass


TEAMS: Final[Mapping[str, Callable[[], Team]]] = {
    # Two turns, and done.
    "short": lambda: team(_Speaks(n=1), turns=2),
    # A turn every tenth of a second, for ever.
    "counting": lambda: team(_Speaks(n=1, pause=0.1), turns=_FOR_EVER),
    # The same, for many at once: a turn every half second.
    "slow": lambda: team(_Speaks(n=1, pause=0.5), turns=_FOR_EVER),
    # One turn for ever, with a chunk every tenth of a second.
    "talking": lambda: team(_Speaks(n=_FOR_EVER, pause=0.1)),
    # The same, in silence; it ends when it is cancelled.
    "waiting": lambda: team(_Waits(seconds=0.0)),
    # It never ends, whoever cancels it.
    "stubborn": lambda: team(_Refuses()),
}
