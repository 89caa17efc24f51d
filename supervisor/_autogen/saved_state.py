"""The state of a team or an agent: saved, and restored into the same one or into another.

`save_state()` is what AutoGen can write out and load into a team that was built anew. It leaves
something out: what an agent keeps in lists of its own, and what the agents behind tools remember.
In the process that has saved it, that is rewound by a savepoint of memory as well.

Where it falls short: what is neither in the state nor in a model context nor in a list of messages
stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autogen_agentchat.base import ChatAgent, Team
from autogen_core import CancellationToken

from supervisor._autogen.adapter import Runnable
from supervisor._autogen.history.memory import MemorySavepoint
from supervisor._autogen.walk import walk


@dataclass(frozen=True)
class Memory:
    """What the agents of one team remember.

    Args:
        owner: The team.
        savepoint: Where its agents are rewound to.
    """

    owner: object
    savepoint: MemorySavepoint


def memory_of(runnable: Runnable) -> Memory:
    """Return what the agents remember now, for a return to this moment in this process."""
    things = [thing for thing in walk(runnable) if not isinstance(thing, Team)]
    return Memory(runnable, MemorySavepoint(things))


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
        own.savepoint.rewind()


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
