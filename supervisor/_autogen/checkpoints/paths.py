"""Names for the components of a team that are the same in each process that builds it.

A component is named by the members and attributes on the way to it: `writer` is a member,
`inner/critic` the member of a member, `society/team/critic` a member of the team that an agent
holds in its attribute `_team`. The outermost team, or agent, has the empty name.

Not chosen: numbers in the order in which components are found. A tool that is added by a deploy
would change them all.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.teams import BaseGroupChat
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen.history.resume import behind
from supervisor._autogen.walk import is_component, is_yielded, may_hold


class Kind(enum.Enum):
    """What a component is, as far as that decides how it is written."""

    TEAM = "a team of AutoGen's base class"
    SOCIETY = "an agent with a team"
    AGENT = "another agent"
    CONTEXT = "a model context"
    OTHER = "nothing that remembers"


_KINDS: Final[Sequence[tuple[Any, Kind]]] = (
    (BaseGroupChat, Kind.TEAM),
    (SocietyOfMindAgent, Kind.SOCIETY),
    (ChatAgent, Kind.AGENT),
    (ChatCompletionContext, Kind.CONTEXT),
)


@functools.cache  # to ask a protocol for each object takes microseconds
def kind_of(cls: type[Any]) -> Kind:
    """Return what the objects of a class are."""
    found = [kind for base, kind in _KINDS if issubclass(cls, base)]
    return found[0] if found else Kind.OTHER


_PLAIN: Final = {bool, float, int, str, type(None)}  # most attributes: asked for none of the rest


def named_components(root: object) -> dict[str, Any]:
    """Return an object and the components that it holds, at any depth, by their names."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    for name, thing in waiting:  # grows meanwhile
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if thing is root or is_yielded(thing.__class__):
            found[_free(name, found)] = thing
        waiting.extend(_parts(name, thing))
    return found


def _parts(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    attributes: dict[str, Any] = getattr(thing, "__dict__", {})
    for attribute, value in attributes.items():
        if value.__class__ not in _PLAIN and may_hold(value):
            yield from _within(name, attribute.strip("_"), value)


def _within(name: str, place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_component(value.__class__):
        yield join(name, place), behind(value)
    elif value:
        items = value.items() if value.__class__ is dict else enumerate(value)
        for key, item in items:
            if is_component(item.__class__):
                yield join(name, _item_name(place, key, item)), behind(item)


def _item_name(place: str, key: Any, item: Any) -> str:
    own = getattr(item, "name", key)
    return str(own) if place.endswith("participants") else f"{place}.{own}"


def join(outer: str, inner: str) -> str:
    """Return the name of a part of a component."""
    return f"{outer}/{inner}" if outer else inner


def _free(name: str, taken: dict[str, Any]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}#{number}", number + 1
    return found
