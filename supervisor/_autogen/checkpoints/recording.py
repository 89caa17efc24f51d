"""What is written of a run while it is at work here: each step, each call, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from supervisor._autogen.checkpoints.calls.gate import ToolGate
from supervisor._autogen.checkpoints.capture import Capture
from supervisor._autogen.checkpoints.delayed_events import DelayedEvents
from supervisor._autogen.checkpoints.items import InThread
from supervisor._autogen.checkpoints.paths import named_components
from supervisor._autogen.checkpoints.restore import restore
from supervisor._autogen.checkpoints.restored import Restored
from supervisor._autogen.messages import Event, Item, TaskResult
from supervisor._autogen.results import with_new
from supervisor._autogen.run_context import RunContext
from supervisor._checkpoints.owned_run import AcquiredRun, OwnedRun
from supervisor._checkpoints.settings import KeepingSettings
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._core.adapter import Control


class Recording:
    """What is written of one run, from its start here to its end.

    Args:
        owned: The run.
        team: What is run.
        context: What is at work for it.
        control: Its control.
        settings: How it is kept.
    """

    def __init__(
        self,
        owned: OwnedRun,
        team: object,
        context: RunContext,
        control: Control[Event, TaskResult],
        settings: KeepingSettings,
    ) -> None:
        self._owned = owned
        self._team = team
        self._context = context
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._delayed = DelayedEvents(control.channel) if settings.durability == "sync" else None
        self._gate: ToolGate | None = None  # None where no call is recorded
        if settings.durability != "exit":
            self._gate = ToolGate(owned, self._snapshot, context, settings.idempotent)
        self._restored: Restored | None = None
        self._capture: Capture | None = None

    async def begin(
        self,
        found: AcquiredRun,
        things: Sequence[object],
        in_thread: InThread,
        was: Any = None,
    ) -> bool:
        """Have the team stand where it stood; from here on each step is written.

        Args:
            found: What was read of the run.
            things: What is run, and the components that it holds.
            in_thread: Where the messages are parsed.
            was: The shape of the team that was kept, where it is another now.

        Returns:
            Whether it goes on without its task.
        """
        restored = self._restored = await self._restore(found, in_thread, was)
        if self._gate is not None:
            self._gate.open(things)
            if restored is not None:
                await self._gate.make_again()
        self._capture = Capture(self._team, self._context, self._said_from, restored)
        self._context.journal.on_step = self._step
        return restored is not None and restored.has_taken_task

    async def _restore(self, found: AcquiredRun, in_thread: InThread, was: Any) -> Restored | None:
        if found.kept is None:
            return None
        recall = None if self._gate is None else self._gate.recall
        calls = found.stored.calls
        return await restore(self._team, found.kept, calls, recall, was, in_thread)

    def close(self) -> None:
        """Write no further step."""
        self._context.journal.on_step = None
        if self._gate is not None:
            self._gate.close()

    # -- while it is at work --------------------------------------------------------------------

    def _said_from(self, place: int) -> Sequence[Item]:
        if self._delayed is not None:
            return self._delayed.said_from(place)
        return cast("Sequence[Item]", self._control.channel.held_from(place))

    def _step(self) -> None:
        """Write a step; in the midst of the framework's code, which an error would end."""
        try:
            snapshot = self._snapshot()
            self._owned.commit(snapshot, open_calls=_open_calls(snapshot))
        except Exception as error:  # noqa: BLE001 - the run fails with it, in the next step
            self._loop.call_soon(self._control.fail, error)

    def _snapshot(self) -> Snapshot:
        assert self._capture is not None, "it has begun"
        found = self._with_unclaimed(self._capture.snapshot())
        if self._delayed is not None:  # soon: it is queued in this step
            self._loop.call_soon(self._tell_written, found, self._delayed)
        return found

    def _with_unclaimed(self, snapshot: Snapshot) -> Snapshot:
        """Name what was recorded in turns that were undone, and are not redone yet."""
        left = [] if self._gate is None else list(self._gate.unclaimed())
        if not left:
            return snapshot
        names = {id(thing): name for name, thing in named_components(self._team).items()}
        unclaimed = [
            {"agent": names[id(agent)], "records": [record.id]}
            for agent, record in left
            if id(agent) in names
        ]
        return replace(snapshot, rest={**snapshot.rest, "unclaimed": unclaimed})

    def _tell_written(self, snapshot: Snapshot, delayed: DelayedEvents) -> None:
        def written(future: asyncio.Future[None]) -> None:
            if not future.cancelled() and future.exception() is None:
                delayed.written(snapshot)

        self._owned.when_durable().future.add_done_callback(written)

    def pass_on(self, stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """Return the events that may be read."""
        return stream if self._delayed is None else self._delayed.pass_on(stream)

    # -- the end --------------------------------------------------------------------------------

    def end(self, result: TaskResult) -> Snapshot:
        """Return the end that the run has come to by itself.

        Args:
            result: Its whole result.
        """
        assert self._capture is not None, "it has begun"
        self._context.journal.turn = None  # of an agent alone: it is over, and stays as it is
        return self._capture.end(result)

    def let_go(self) -> None:
        """Show what was delayed, for the run's own end is durable."""
        if self._delayed is not None:
            self._delayed.let_go()

    @property
    def over(self) -> TaskResult | None:
        """The result, where the team had ended, and the process with it before that was written."""
        restored = self._restored
        if restored is None or not restored.has_ended:
            return None
        return TaskResult(messages=restored.output(), stop_reason=restored.stop_reason)

    @property
    def earlier(self) -> list[Item]:
        """The messages of earlier processes."""
        if self._capture is not None:
            return self._capture.earlier
        return [] if self._restored is None else self._restored.output()

    def whole(self, result: TaskResult) -> TaskResult:
        """Return a result with all messages of the run, those of earlier processes first."""
        earlier = self.earlier
        if not earlier:
            return result
        messages = with_new(earlier, result.messages)
        return TaskResult(messages=messages, stop_reason=result.stop_reason)


def _open_calls(snapshot: Snapshot) -> set[str]:
    """Return the records of turns that are open: the others are in what agents remember."""
    named = [*snapshot.rest.get("turns", ()), *snapshot.rest.get("unclaimed", ())]
    turns = cast("Sequence[Mapping[str, Any]]", named)
    return {record for turn in turns for record in turn["records"]}


def without_fast_path(options: dict[str, Any], settings: KeepingSettings) -> dict[str, Any]:
    """Return the options of an adapter whose events all pass the driver, where they are delayed."""
    return {**options, "fast_path": False} if settings.durability == "sync" else options
