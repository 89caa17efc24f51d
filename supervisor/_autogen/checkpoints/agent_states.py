"""The states of agents that save them by themselves: `save_state()` and `load_state()`.

What an agent keeps in a model context, or in lists of messages, is written as logs, and only what
is new of it (`memories.py`). AutoGen's AssistantAgent, SocietyOfMindAgent, CodeExecutorAgent,
MessageFilterAgent and UserProxyAgent keep nothing else, and are not asked. Any other agent with a
`save_state` of its own is asked after each of its turns, and what it returns is written whole. The
thread that writes skips what has not changed.

What it returns is copied, as far as that takes a few milliseconds. A larger state is written as it
is: an agent must not change it afterwards, so it returns a copy of what it still changes.

Where it falls short: a `save_state` that waits for something cannot be asked between two steps of
the loop; its state is not kept, and that is logged, as is one that returns what JSON does not have.
An AssistantAgent's memory and workbench have states of their own, which AutoGen does not save
either.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Coroutine, Mapping
from typing import Any, Final, Protocol, cast

from autogen_agentchat.base import ChatAgent

from supervisor._autogen import upstream
from supervisor._autogen.repair_thread import drive_sync
from supervisor._checkpoints.pieces import Later
from supervisor._core.errors import CheckpointCorrupt
from supervisor._reports import log_events
from supervisor._reports.log import reporter

_SLOW: Final = 0.02
_MOST: Final = 20_000  # values that are copied: some milliseconds
_CONTAINERS: Final = (dict, list, tuple)
_SCALARS: Final = (str, int, float, type(None))


class Saving(Protocol):
    """What saves itself."""

    def save_state(self) -> Coroutine[Any, Any, Mapping[str, Any]]:
        """Return its state."""
        ...


class Loading(Protocol):
    """What loads a state that it has saved."""

    def load_state(self, state: Any) -> Coroutine[Any, Any, None]:
        """Take it."""
        ...


class AgentStates:
    """The states of a run's agents and contexts, from one snapshot to the next."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}
        self._acted: set[int] = set()
        self._said: set[tuple[str, str]] = set()

    def seed(self, name: str, state: Any) -> None:
        """Note what was read of an agent."""
        self._last[name] = state

    @property
    def are_there(self) -> bool:
        """Whether any was taken: most teams have none."""
        return bool(self._last)

    def note_acted(self, agents: set[int]) -> None:
        """Note the id()s of agents that may have changed, for it was their turn."""
        self._acted |= agents

    def take(self, name: str, owner: Saving, *, is_open: bool) -> Any:
        """Return the state of an agent, or of a model context, as JSON-able data.

        Args:
            name: What it is kept under.
            owner: The agent or context.
            is_open: Whether it is in a turn that would be undone: then it is as before that turn.

        Returns:
            None where none can be kept.
        """
        may_have_changed = id(owner) in self._acted and not is_open
        if may_have_changed or name not in self._last:
            self._acted.discard(id(owner))
            self._last[name] = self._saved(name, owner)
        return self._last[name]

    def _saved(self, name: str, owner: Saving) -> Any:
        begun = time.perf_counter()
        try:
            state = drive_sync(owner.save_state())
            seconds = time.perf_counter() - begun
            copy = own_copy(state)
        except Exception as error:  # noqa: BLE001 - the user's: a run must not end of that
            if self._is_first(name, "not kept"):
                reporter.event(log_events.AGENT_STATE_NOT_KEPT, agent=name, exc_info=error)
            return self._last.get(name)
        if seconds > _SLOW and self._is_first(name, "slow"):
            reporter.event(log_events.AGENT_STATE_SLOW, agent=name, seconds=seconds)
        # Another object each time: what is the same object is taken for the same state.
        return Later(lambda: state) if copy is state else copy

    def _is_first(self, name: str, what: str) -> bool:
        is_first = (name, what) not in self._said
        self._said.add((name, what))
        return is_first


def saves_itself(agent: object) -> bool:
    """Return whether an agent saves more than what is in model contexts and inner teams."""
    return isinstance(agent, ChatAgent) and upstream.has_own_state(type(agent))


async def put_agent_state(agent: object, state: Any, run_id: str = "") -> None:
    """Let an agent load a state that was kept; what it raises is the kept state's fault.

    Raises:
        CheckpointCorrupt: It refuses the state.
    """
    if not saves_itself(agent):
        return
    loading = cast("ChatAgent", agent)
    await load_state(loading, f"agent {loading.name!r}", state, run_id)


async def load_state(owner: Loading, name: str, state: Any, run_id: str) -> None:
    """Let something of the user's load a state that was kept.

    Raises:
        CheckpointCorrupt: It refuses the state.
    """
    try:
        await owner.load_state(state)
    except Exception as error:
        problem = f"the {name} refuses its state: {error!r}"
        raise CheckpointCorrupt(run_id, problem) from error


def own_copy(data: Any) -> Any:
    """Return a copy of data, down to what is not copied because there is too much of it.

    Raises:
        TypeError: JSON has no such value.
    """
    return _copied(data, [_MOST])


def _copied(data: Any, left: list[int]) -> Any:
    if not isinstance(data, _CONTAINERS):
        if not isinstance(data, _SCALARS):
            raise TypeError(f"a {type(data).__name__} is nothing that JSON has: {data!r:.80}")
        return data
    held = cast("Collection[object]", data)
    if len(held) > left[0]:
        return held
    left[0] -= len(held) + 1
    if isinstance(held, dict):
        found = cast("dict[object, object]", held)
        return {key: _copied(value, left) for key, value in found.items()}
    return [_copied(value, left) for value in held]
