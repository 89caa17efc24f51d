"""Names for the components of a team that are the same in each process that builds it.

A component is named by the members and attributes on the way to it: `writer` is a member,
`inner/critic` the member of a member, `society/team/critic` a member of the team that an agent
holds in its attribute `_team`. The outermost team, or agent, has the empty name.

Not chosen: numbers in the order in which components are found. A tool that is added by a deploy
would change them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from supervisor._autogen.history.resume import behind
from supervisor._autogen.walk import is_component, is_yielded, may_hold


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
        if is_component(thing.__class__):
            waiting.extend(_parts(name, thing))
    return found


def _parts(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    for attribute, value in cast("dict[str, Any]", vars(thing)).items():
        if not may_hold(value):
            continue
        place = attribute.strip("_")
        if is_component(value.__class__):
            yield join(name, place), behind(value)
            continue
        for key, item in _items(value):
            if is_component(item.__class__):
                yield join(name, _item_name(place, key, item)), behind(item)


def _items(collection: Any) -> Iterable[tuple[Any, Any]]:
    items: Iterable[tuple[Any, Any]] = getattr(collection, "items", lambda: enumerate(collection))()
    return items


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
