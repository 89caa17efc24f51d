"""Find the teams, agents, memories and executors that a team or an agent holds, at any depth.

They are found by type, through the attributes of AutoGen's components: participants, a wrapped
agent, an inner team, the agent behind a tool. No attribute is named, so the user's own components
are walked as well.

Where it falls short: what is hidden in an object that is no component of AutoGen's is not found.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Final

from autogen_agentchat.base import ChatAgent, Team
from autogen_core.code_executor import CodeExecutor
from autogen_core.model_context import ChatCompletionContext
from autogen_core.tools import BaseTool, Workbench

_YIELDED: Final = (Team, ChatAgent, ChatCompletionContext, Workbench, CodeExecutor)
_WALKED: Final = (Team, ChatAgent, Workbench, BaseTool)
_COLLECTIONS: Final = (list, tuple, set, dict)
_LONG: Final = 100


def walk(root: object, *, but_not: tuple[type, ...] = ()) -> Iterator[object]:
    """Yield an object, then the components that it holds, each once.

    A component is a team, an agent, a model context, a workbench or an executor. Agents come and
    go while a run is active, so this is a moment's answer.

    Args:
        root: The object.
        but_not: Classes whose objects are passed over, with all that only they hold.
    """
    seen: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen or isinstance(found, but_not):
            continue
        seen.add(id(found))
        if found is root or is_yielded(found.__class__):
            yield found
        waiting.extend(_held(found))


def own_parts(agent: object) -> Iterator[object]:
    """Yield an agent, and what it holds outside of teams and tools: there its own memory is."""
    return walk(agent, but_not=(Team, BaseTool, Workbench))


def agent_names(root: object) -> list[str]:
    """Return the names of the agents that a team holds, at any depth; an agent's, its own first."""
    return [found.name for found in walk(root) if isinstance(found, ChatAgent)]


def _held(thing: Any) -> Iterable[object]:
    cls: Any = thing.__class__
    if cls not in _COLLECTIONS:  # what is run may be of any class
        attributes: dict[str, object] = getattr(thing, "__dict__", {})
        return [value for value in attributes.values() if may_hold(value)]
    items = thing.values() if _is_dict(thing) else thing
    return [item for item in items if is_component(item.__class__)]


def _is_dict(thing: object) -> bool:
    return thing.__class__ is dict


def may_hold(value: Any) -> bool:
    """Return whether an object is a component, or a collection that may hold one.

    A long list is one of messages, unless its last item says otherwise: an agent may hold one of
    ten thousand, and is walked before each turn.
    """
    if value.__class__ is list and len(value) > _LONG:
        return is_component(value[-1].__class__)
    return is_component(value.__class__) or value.__class__ in _COLLECTIONS


@functools.cache  # two of them are protocols: to ask for each object takes microseconds
def is_yielded(cls: Any) -> bool:
    """Return whether `walk` yields objects of a class."""
    return issubclass(cls, _YIELDED)


@functools.cache  # an agent may hold a list of ten thousand messages
def is_component(cls: Any) -> bool:
    """Return whether objects of a class are walked."""
    return issubclass(cls, (*_WALKED, *_YIELDED))
