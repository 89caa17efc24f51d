"""What the program itself gave its agents and managers, and a run has not changed: not written.

An agent's list of examples, or a manager's prompt, is part of the program. Were it written and put
back, a run that goes on after a deploy would have the old one. Only of a team that was never at
work before the run: of any other nobody knows what its program gave it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from autogen_agentchat.teams import BaseGroupChat

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.memories import log_of_list, own_lists

Items = Sequence[object]


def is_fresh(root: object, things: Iterable[object]) -> bool:
    """Return whether a team was never at work, nor was any team in it."""
    teams = [thing for thing in things if isinstance(thing, BaseGroupChat)]
    is_new = all(upstream.group_of(team) is None for team in teams)
    return isinstance(root, BaseGroupChat) and is_new


class Untouched:
    """What a run has not changed so far.

    Args:
        rest: What was written of it, where a run goes on; None where it begins.
    """

    def __init__(self, rest: Mapping[str, Any] | None = None) -> None:
        self._known: Collection[str] | None = None if rest is None else rest.get("untouched", ())
        self._teams: Mapping[str, Any] = {} if rest is None else rest["teams"]
        self._lists: dict[str, Items] = {}
        self._emptied = set[str]() if rest is None else set(rest.get("emptied", ()))
        self._managers: dict[str, dict[str, Any]] = {}
        self._is_noted = False

    def note_lists(self, root: object, things: Mapping[str, Any]) -> None:
        """Note the agents' lists of messages, as the run begins or goes on."""
        self._is_noted = self._known is not None or is_fresh(root, things.values())
        for name, thing in things.items() if self._is_noted else ():
            for attribute, items in own_lists(thing):
                log = log_of_list(name, attribute)
                if items and (self._known is None or log in self._known):
                    self._lists[log] = list(items)

    def has_list(self, log: str, items: Items) -> bool:
        """Return whether an agent's list is as it was given."""
        given = self._lists.get(log)
        if given is not None and (
            len(given) != len(items) or any(a is not b for a, b in zip(given, items, strict=True))
        ):
            del self._lists[log]
            self._emptied.add(log)
        if items:
            self._emptied.discard(log)
        return log in self._lists

    def rest(self) -> dict[str, Any]:
        """Return what is written of it, as JSON-able data."""
        found = {"untouched": list(self._lists), "emptied": sorted(self._emptied)}
        return {name: logs for name, logs in found.items() if logs}

    def note_manager(self, team: str, state: Mapping[str, Any]) -> None:
        """Note the data of a team's manager, as its first run in this process has begun."""
        if self._is_noted and team not in self._managers:
            touched = self._teams.get(team, {}).get("state", {})
            self._managers[team] = {k: it for k, it in state.items() if k not in touched}

    def changed(self, team: str, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the run has changed of a manager's data."""
        given = self._managers.get(team, {})
        for name in [name for name in given if name in state]:
            if not _is_same(given[name], state[name]):
                del given[name]
        return {name: value for name, value in state.items() if name not in given}


def _is_same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - the user's: what cannot be compared is written
        return False


def is_programs(rest: Mapping[str, Any], log: str, *, is_new: bool) -> bool:
    """Return whether an agent's list is left to the program, as a run is put into a team.

    Args:
        rest: What was written of it.
        log: The name of the list's log.
        is_new: Whether the program gave it, and nothing of it was written.
    """
    return log in rest.get("untouched", ()) or (is_new and log not in rest.get("emptied", ()))
