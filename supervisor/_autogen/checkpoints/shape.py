"""The shape of a team: of which teams and agents it consists, as data, to be compared.

It has classes, names, the nesting, and the edges of a graph: what a run that was kept needs in
order to be put back. It has no prompt, model or tool, and no termination condition: these change
from one deploy to the next, and a run goes on with the new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.teams import DiGraph

from supervisor._autogen.history.resume import behind

_UNREADABLE: Final = "what was kept of its shape cannot be read"


def shape_of(runnable: object) -> dict[str, Any]:
    """Return the shape of a team or an agent, as JSON-able data."""
    return _shape(behind(runnable), set())


def _shape(thing: Any, around: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {"class": type(thing).__name__, "name": _name_of(thing)}
    within = around | {id(thing)}
    inner = [part for part in _inner(thing) if id(part) not in within]
    if inner:
        found["members"] = [_shape(part, within) for part in inner]
    graph = next((it for it in _attributes(thing) if isinstance(it, DiGraph)), None)
    if graph is not None:
        found["graph"] = _edges(graph)
    return found


def _name_of(thing: object) -> str:
    return str(getattr(thing, "name", type(thing).__name__))  # what is run may have none


def _inner(thing: Any) -> Iterator[Any]:
    """Yield the teams and agents that one holds, each once; not those behind tools."""
    seen: set[int] = set()
    for part in (part for value in _attributes(thing) for part in _owned(value)):
        if isinstance(part, (ChatAgent, Team)) and id(behind(part)) not in seen:
            seen.add(id(behind(part)))
            yield behind(part)


def _attributes(thing: object) -> list[object]:
    return list(getattr(thing, "__dict__", {}).values())


def _owned(value: object) -> Iterable[object]:
    if type(value) is dict:
        return list(cast("dict[object, object]", value).values())
    return cast("list[object]", value) if type(value) in (list, tuple) else [value]


def _edges(graph: DiGraph) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, node in graph.nodes.items():
        for edge in node.edges:
            when = "a function" if edge.condition_function is not None else edge.condition
            fields = [when, edge.activation_group, edge.activation_condition, node.activation]
            found.setdefault(f"from {name!r} to {edge.target!r}", []).append(fields)
    return found


# -- compared -------------------------------------------------------------------------------------


def differences(old: Any, new: Any) -> str:
    """Return in words the first difference of two shapes; "" where they are the same.

    Args:
        old: What was kept.
        new: What `shape_of` returns now.
    """
    if not _is_shape(old):
        return _UNREADABLE
    return next(_differences(old, new), "")


def _is_shape(data: Any) -> bool:
    if not isinstance(data, dict):
        return False
    found = cast("dict[str, Any]", data)
    members = found.get("members", [])
    return (
        isinstance(found.get("class"), str)
        and isinstance(found.get("name"), str)
        and isinstance(found.get("graph", {}), dict)
        and isinstance(members, list)
        and all(map(_is_shape, cast("list[object]", members)))
    )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if old["name"] != new["name"]:
        yield f"it was called {old['name']!r}, and is {new['name']!r} now"
    if old["class"] != new["class"]:
        yield f"{new['name']!r} was of the class {old['class']}, and is of {new['class']} now"
    members = old.get("members", []), new.get("members", [])
    yield from _of_members(new["name"], *members)
    yield from _of_graph(new["name"], old.get("graph", {}), new.get("graph", {}))
    for one, other in zip(*members, strict=False):
        yield from _differences(one, other)


def _of_members(
    name: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    then, now = [it["name"] for it in old], [it["name"] for it in new]
    yield from (f"{it!r} was in {name!r}, and is not now" for it in then if it not in now)
    yield from (f"{it!r} is in {name!r} now, and was not" for it in now if it not in then)
    if then != now:
        yield f"{name!r} had its members in the order {_listed(then)}, and has {_listed(now)} now"


def _of_graph(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{name!r} had an edge {it}, and has none now" for it in old if it not in new)
    yield from (f"{name!r} has an edge {it} now, and had none" for it in new if it not in old)
    for edge in old:
        if old[edge] != new.get(edge):
            yield f"the edge {edge} in {name!r} had another condition"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
