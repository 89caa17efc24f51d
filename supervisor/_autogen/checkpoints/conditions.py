"""How far a termination condition has counted, as data, and back.

The fields of a condition are written, and its messages are not given to it again: that would call
the user's functions twice. Of AutoGen's classes these are the fields that count or note something,
and not those that a user sets: a program that is deployed anew may wait for more messages. Of a
user's class they are its attributes that are numbers, texts, truth values or None, and the
conditions within it. A class with `save_state()` and `load_state(data)` is asked by these.

A time-out counts the time at work: what it had run for, and not when it was begun.

Where the condition of the team has another form than the one that was written, each part is found
by its place and class, or else by its class where there is one of that; the others begin anew, and
that is said once. It is no other team for that: a program may end its runs otherwise tomorrow.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.messages import StopMessage

from supervisor._autogen import upstream
from supervisor._autogen.repair_thread import drive_sync
from supervisor._core.errors import CheckpointCorrupt
from supervisor._reports import log_events
from supervisor._reports.log import reporter

_PLAIN: Final = (bool, int, float, str, type(None))
_MOST: Final = 1_000  # conditions within one: more are not one that somebody has written

_Part = dict[str, Any]


def condition_state(condition: TerminationCondition) -> Any:
    """Return how far a condition has counted, as JSON-able data.

    A condition of the user's whose `save_state` raises, or waits, is left out, and that is logged.
    """
    return {path: state for path, part in _parts(condition) if (state := _state_of(part))}


def put_condition_state(condition: TerminationCondition, data: Any, run_id: str = "") -> None:
    """Let a condition count on from where another one was.

    Args:
        condition: The condition.
        data: What `condition_state` has returned of the other one.
        run_id: The run; for the error.

    Raises:
        CheckpointCorrupt: It is no such data.
    """
    kept = _checked(data, run_id)
    left: list[tuple[str, TerminationCondition]] = []
    for path, part in _parts(condition):
        if path in kept and kept[path]["class"] == type(part).__name__:
            _put(part, kept.pop(path), run_id)
        else:
            left.append((path, part))
    anew = [part for _, part in left if not _put_by_class(part, left, kept, run_id)]
    if kept and anew:
        names = [type(part).__name__ for part in anew]
        reporter.event(log_events.CONDITION_BEGINS_ANEW, conditions=names)


class PutCondition:
    """Brings a condition to where it stood.

    Args:
        data: What `condition_state` has returned.
        run_id: The run; for the error.
    """

    def __init__(self, data: Any, run_id: str = "") -> None:
        self.data = data
        self._run_id = run_id

    def __call__(self, condition: TerminationCondition) -> None:
        """Do so."""
        if self.data is not None:
            put_condition_state(condition, self.data, self._run_id)


def _put_by_class(
    part: TerminationCondition,
    left: list[tuple[str, TerminationCondition]],
    kept: dict[str, _Part],
    run_id: str,
) -> bool:
    name = type(part).__name__
    places = [path for path, state in kept.items() if state["class"] == name]
    if len(places) != 1 or sum(type(other).__name__ == name for _, other in left) != 1:
        return False
    _put(part, kept.pop(places[0]), run_id)
    return True


# -- the conditions within one ---------------------------------------------------------------------


def _parts(condition: TerminationCondition) -> Iterator[tuple[str, TerminationCondition]]:
    """Yield a condition and those within it, each with its path."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", condition)]
    for path, found in waiting:  # grows meanwhile
        if isinstance(found, TerminationCondition):
            if id(found) in seen or len(seen) == _MOST:
                continue
            seen.add(id(found))
            yield path, found
        waiting.extend((f"{path}/{name}", inner) for name, inner in _inner(found))


def _inner(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, (list, tuple)):
        yield from ((str(n), it) for n, it in enumerate(cast("list[object]", found)) if _is(it))
        return
    parts = upstream.condition_parts(found)
    if parts is not None:
        yield from ((str(n), it) for n, it in enumerate(parts))
    elif not _has_own_pair(found):
        yield from ((name, it) for name, it in _attributes(found).items() if _is(it))


def _is(value: object) -> bool:
    return isinstance(value, TerminationCondition) or (
        type(value) in (list, tuple) and any(map(_is, cast("list[object]", value)))
    )


def _attributes(condition: object) -> dict[str, Any]:
    return getattr(condition, "__dict__", {})


# -- the state of one ------------------------------------------------------------------------------


def _has_own_pair(condition: object) -> bool:
    return all(callable(getattr(condition, name, None)) for name in ("save_state", "load_state"))


def _state_of(part: TerminationCondition) -> _Part | None:
    found: _Part = {"class": type(part).__name__}
    if _has_own_pair(part):
        try:
            found["own"] = _called(cast("Any", part).save_state())
        except Exception as error:  # noqa: BLE001 - the user's: a run must not end of that
            reporter.event(log_events.CONDITION_NOT_KEPT, condition=found["class"], exc_info=error)
            return None
        return found
    counts = upstream.condition_counts(part)
    found["fields"] = _plain_of(part) if counts is None else counts
    seconds, stops = upstream.elapsed(part), upstream.noted_stops(part)
    if seconds is not None:
        found["elapsed"] = seconds
    if stops:
        found["stops"] = [stop.model_dump(mode="json") for stop in stops]
    return found


def _plain_of(part: TerminationCondition) -> dict[str, Any]:
    return {
        name: value
        for name, value in _attributes(part).items()
        if type(value) in _PLAIN and not upstream.is_condition_setting(part, name)
    }


def _put(part: TerminationCondition, state: _Part, run_id: str) -> None:
    try:
        if "own" in state and _has_own_pair(part):
            _called(cast("Any", part).load_state(state["own"]))
        _attributes(part).update(_fitting(part, state.get("fields", {})))
        if "elapsed" in state:
            upstream.put_elapsed(part, state["elapsed"])
        noted = upstream.noted_stops(part)
        if noted is not None:
            noted[:] = [StopMessage.model_validate(stop) for stop in state.get("stops", ())]
    except Exception as error:
        name = state["class"]
        raise CheckpointCorrupt(
            run_id, f"the termination condition {name} refuses its state: {error}"
        ) from error


def _fitting(part: TerminationCondition, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields that the condition has: of AutoGen's, those alone that count."""
    counts = upstream.condition_counts(part)
    for name, value in fields.items():
        is_taken = (
            type(value) in _PLAIN and not upstream.is_condition_setting(part, name)
            if counts is None
            else type(value) is type(counts.get(name))
        )
        if is_taken:
            yield name, value


def _called(found: Any) -> Any:
    return drive_sync(found) if inspect.iscoroutine(found) else found


# -- what is read ----------------------------------------------------------------------------------


def _checked(data: Any, run_id: str) -> dict[str, _Part]:
    found = cast("dict[str, _Part]", data) if isinstance(data, dict) else None
    if found is not None and all(map(_is_part, found.values())):
        return dict(found)
    raise CheckpointCorrupt(run_id, "the state of its termination condition has another form")


def _is_part(state: object) -> bool:
    if not isinstance(state, dict):
        return False
    found = cast("dict[str, object]", state)
    return (
        isinstance(found.get("class"), str)
        and isinstance(found.get("fields", {}), dict)
        and type(found.get("elapsed", 0.0)) in (int, float)
        and isinstance(found.get("stops", []), list)
    )
