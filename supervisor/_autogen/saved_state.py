"""The state of a team or an agent: saved, and restored into the same one or into another.

`save_state()` is what AutoGen can write out and load into a team that was built anew. It leaves
something out: what an agent keeps in lists of its own, and what the agents and teams behind tools
remember. In the process that has saved it, agents are rewound by a savepoint of memory as well, and
each team within the team is loaded from a state of its own.

Where it falls short: what is neither in the state nor in a model context nor in a list of messages
stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from autogen_agentchat.base import ChatAgent, Team
from autogen_core import CancellationToken

from supervisor._autogen.adapter import Runnable
from supervisor._autogen.history.memory import MemorySavepoint
from supervisor._autogen.history.resume import ResumingTeam
from supervisor._autogen.walk import walk


@dataclass(frozen=True)
class Memory:
    """What the agents and teams within one team remember.

    Args:
        owner: The team.
        savepoint: Where its agents are rewound to.
        teams: The teams within it, and their states.
    """

    owner: object
    savepoint: MemorySavepoint
    teams: Sequence[tuple[Team, Mapping[str, Any]]] = ()

    async def rewind(self) -> None:
        """Bring the agents and teams back to that moment.

        Raises:
            Exception: A team cannot be loaded.
        """
        for team, state in self.teams:
            await team.load_state(state)
        self.savepoint.rewind()


async def memory_of(runnable: Runnable) -> Memory:
    """Return what is remembered within a team now, for a return to this moment in this process."""
    things = list(walk(runnable))
    agents = [thing for thing in things if not isinstance(thing, Team)]
    savepoint = MemorySavepoint(agents)
    teams: list[tuple[Team, Mapping[str, Any]]] = []
    for team in things:
        if isinstance(team, Team) and not isinstance(team, ResumingTeam) and team is not runnable:
            with suppress(Exception):  # of the user's; that team stays as it is
                teams.append((team, await team.save_state()))
    return Memory(runnable, savepoint, teams)


async def save(runnable: Runnable) -> Mapping[str, Any]:
    """Return the state of a team or an agent that is not at work."""
    return await runnable.save_state()


async def restore(
    runnable: Runnable, state: Mapping[str, Any] | None, memory: object | None
) -> None:
    """Bring a team or an agent back to a state of its own, or of one of the same shape.

    Args:
        runnable: The team or the agent; it is not at work.
        state: What `save` has returned; None where it has raised.
        memory: What `memory_of` has returned; used where it is that of this very team.

    Raises:
        Exception: The state does not fit, or there is neither of them.
    """
    own = memory if isinstance(memory, Memory) and memory.owner is runnable else None
    if state is not None:
        await runnable.load_state(state)
    elif own is None:
        raise ValueError("its state could not be saved")
    if own is not None:
        await own.rewind()


async def reset(runnable: Runnable) -> None:
    """Let a team or an agent that is not at work forget everything.

    Raises:
        Exception: What an agent of the user's raises.
    """
    if isinstance(runnable, ChatAgent):
        await runnable.on_reset(CancellationToken())
    else:
        await runnable.reset()


def shape(runnable: Runnable) -> list[str]:
    """Return of which teams and agents it consists: a state fits another one of the same shape."""
    found = [thing for thing in walk(runnable) if isinstance(thing, (Team, ChatAgent))]
    return [f"{thing.name} ({type(thing).__name__})" for thing in found]
