"""Runtimes that the user gave to a team, which others use too.

There a message is handled in a task of the runtime's. That task was created in no run's context, or
in the context of the run in which the runtime was started. The message says which run it belongs
to: a team's agents have the team's id for a key, and a run's first message to a team carries the
run's token.

Such a runtime cannot be shut, and it may never be idle. At a stop this run's messages are taken off
its queue, this run's handlers are cancelled, and what they did not count off is counted off for
them. Nothing changes for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from supervisor._autogen import upstream
from supervisor._autogen.kinds import ENGINE, HANDLER
from supervisor._autogen.upstream import Delivery, GroupChatStart, SharedRuntime
from supervisor._core.tasks import AnyTask, Scope

_by_token: dict[int, Scope] = {}
_by_team: dict[str, Scope] = {}
_teams_of: dict[Scope, list[str]] = {}


def register(scope: Scope, token: object) -> None:
    """Register a run that begins, by its token."""
    _by_token[id(token)] = scope


def forget(scope: Scope, token: object) -> None:
    """Forget a run that has ended."""
    _by_token.pop(id(token), None)
    for key in _teams_of.pop(scope, ()):
        if _by_team.get(key) is scope:
            del _by_team[key]


def scope_of(coro: Any, scope: Scope | None) -> Scope | None:
    """Return the scope of the task that is being created for a coroutine.

    Args:
        coro: The coroutine.
        scope: The scope of its context.
    """
    kind, frame = upstream.classify(coro)
    if kind is HANDLER and frame is not None and scope is None:
        return _addressee(upstream.delivery(*upstream.envelope_in(frame)))
    if kind is ENGINE and scope is not None and upstream.starting_team() is None:
        return None  # started by a tool, an agent, a user's function: no part of the run
    return scope


def is_of_a_run(found: Delivery) -> bool:
    """Return whether a message belongs to a run."""
    return _addressee(found) is not None


def _addressee(found: Delivery) -> Scope | None:
    by_token = _by_token.get(id(found.token))
    if by_token is not None and found.is_sent and isinstance(found.message, GroupChatStart):
        _by_team[found.key] = by_token
        _teams_of.setdefault(by_token, []).append(found.key)
    return _by_team.get(found.key, by_token)


class SharedRuntimes:
    """The part of a run that uses runtimes of the user's.

    Args:
        scope: The run's tasks.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.runtimes: dict[int, tuple[Any, SharedRuntime]] = {}
        """By the id() of each; empty where the run is on none."""
        self._handlers: dict[AnyTask, SharedRuntime] = {}

    def add(self, runtime: Any) -> SharedRuntime:
        """Note that a team of this run uses such a runtime."""
        known = self.runtimes.get(id(runtime))
        if known is None:
            known = self.runtimes[id(runtime)] = (runtime, SharedRuntime(runtime))
        return known[1]

    def note(self, task: AnyTask, found: Delivery) -> None:
        """Note that a handler is about to start on such a runtime."""
        self._handlers[task] = self.add(found.runtime)
        task.add_done_callback(self._ended)

    def _ended(self, task: AnyTask) -> None:
        """Count a handler off that did not count itself off.

        One that was cancelled before its first step did not, nor one that failed as it answered.
        """
        runtime = self._handlers.pop(task, None)
        if runtime is not None and (task.cancelled() or task.exception() is not None):
            runtime.count_off()

    def _is_ours(self, found: Delivery) -> bool:
        token = _by_token.get(id(found.token)) if found.is_sent else None
        return _by_team.get(found.key, token) is self._scope

    def queued(self) -> list[Delivery]:
        """Return this run's messages in the queues of these runtimes."""
        found = [d for runtime, _ in self.runtimes.values() for d in upstream.queued(runtime)]
        return [delivery for delivery in found if self._is_ours(delivery)]

    def is_at_work(self) -> bool:
        """Return whether a handler of this run is active, or will be."""
        waits = any(runtime.waits_for(self._is_ours) for _, runtime in self.runtimes.values())
        return bool(self._handlers) or waits

    def when_one_ends(self, call: Callable[[], None]) -> None:
        """Call a function soon after one of these handlers has ended."""
        for task in self._handlers:
            task.add_done_callback(lambda _: call())
            return
        asyncio.get_running_loop().call_soon(call)

    def withdraw(self) -> None:
        """Take this run's messages off the queues, before its handlers are cancelled."""
        for _, runtime in self.runtimes.values():
            runtime.ignore_errors()
            runtime.withdraw(self._is_ours)

    def restore(self) -> None:
        """Leave the runtimes as they were found; no handler of this run is active on them."""
        for _, runtime in self.runtimes.values():
            runtime.restore()
