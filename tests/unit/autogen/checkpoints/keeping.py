"""Runs whose snapshots are kept in memory, as JSON text, and continued in fresh teams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage

from supervisor import Supervisor
from supervisor._autogen.adapter import TeamAdapter
from supervisor._autogen.checkpoints.capture import Capture
from supervisor._autogen.checkpoints.restore import restore
from supervisor._autogen.checkpoints.restored import Restored
from supervisor._autogen.results import with_new
from supervisor._checkpoints.snapshot import Kept, Snapshot
from supervisor._checkpoints.store import CallRecord
from supervisor._core.run import adapter_of
from supervisor.types import Runnable


@dataclass
class StoredText:
    """What a store has of a run: JSON text, by log and place."""

    rows: dict[str, dict[int, str]] = field(default_factory=dict[str, dict[int, str]])
    state: str = ""
    written: int = 0
    """How many rows."""

    def put(self, snapshot: Snapshot) -> None:
        """Write a snapshot."""
        for change in snapshot.changes:
            rows = self.rows.setdefault(change.log, {})
            assert change.start in (0, len(rows)) or change.start <= len(rows)
            for place, item in enumerate(change.items, change.start):
                rows[place] = json.dumps(item)
                self.written += 1
        whole = {
            "turn": snapshot.turn,
            "lengths": snapshot.lengths,
            "rest": snapshot.rest,
            "states": snapshot.states,
        }
        self.state = json.dumps(whole)

    def kept(self) -> Kept:
        """Read it."""
        state = json.loads(self.state)
        logs = {
            log: [json.loads(self.rows[log][place]) for place in range(length)]
            for log, length in state["lengths"].items()
        }
        return Kept(turn=state["turn"], logs=logs, rest=state["rest"], states=state["states"])

    def copy(self) -> StoredText:
        """Return it as it is now."""
        return StoredText({log: dict(rows) for log, rows in self.rows.items()}, self.state)


@dataclass
class Keeping:
    """A run whose snapshots are kept."""

    result: TaskResult
    after_steps: list[StoredText]
    """What was stored after each snapshot."""
    end: StoredText
    restored: Restored | None = None


async def run_kept(
    team: Runnable,
    task: str | BaseChatMessage | None = "Begin",
    *,
    stored: StoredText | None = None,
    calls: Sequence[CallRecord] = (),
    at_step: Callable[[Any], None] | None = None,
    was: Any = None,
    everywhere: bool = False,
) -> Keeping:
    """Run a team, and take a snapshot at each step; or go on with what was stored.

    Args:
        team: The team; a fresh one where `stored` is given.
        task: The task, where the team has not taken it.
        stored: The snapshots of the run that continues.
        calls: What was recorded of calls.
        at_step: Called with the journal after each snapshot.
        was: The shape of the team that was stored, where the team has another.
        everywhere: Whether snapshots are also taken in each iteration of the loop until the run
            ends, as if something else of the run had come to a step then.
    """
    if stored is None:
        written, restored = StoredText(), None
    else:
        written, restored = stored.copy(), await restore(team, stored.kept(), calls, was=was)
    if restored is not None and _is_over(restored):
        result = TaskResult(messages=restored.output(), stop_reason=restored.stop_reason)
        return Keeping(result, [], written, restored)
    after_steps: list[StoredText] = []
    async with Supervisor(signals={}) as sup:
        has_task = restored is not None and restored.has_taken_task
        run = sup.stream(team, None if has_task else task)
        adapter = cast(TeamAdapter, adapter_of(run))
        channel = adapter._control.channel
        capture = Capture(team, adapter.context, cast(Any, channel.held_from), restored)

        def step() -> None:
            written.put(capture.snapshot())
            after_steps.append(written.copy())
            if at_step is not None:
                at_step(adapter.context.journal)

        def tick() -> None:
            if run.result is None:
                step()
                asyncio.get_running_loop().call_soon(tick)

        adapter.context.journal.on_step = step
        if everywhere:
            asyncio.get_running_loop().call_soon(tick)
        found = await run
        items = with_new(capture.earlier, found.messages)
        result = TaskResult(messages=items, stop_reason=found.stop_reason)
        written.put(capture.end(result))
    return Keeping(result, after_steps, written, restored)


def _is_over(restored: Restored) -> bool:
    """Return whether the team had ended, and its process died before that was written."""
    return restored.has_ended and "end" not in restored.rest


def words(items: Sequence[BaseAgentEvent | BaseChatMessage]) -> list[tuple[str, str, str]]:
    """Return messages without what differs between two runs of the same: ids and times."""
    return [(type(item).__name__, item.source, _text(item)) for item in items]


def _text(item: BaseAgentEvent | BaseChatMessage) -> str:
    data = item.model_dump(mode="json")
    data = {k: v for k, v in data.items() if k not in ("id", "created_at")}
    return json.dumps(data, sort_keys=True)


def without_ids(data: Any) -> Any:
    """Return JSON-able data without the ids and times of messages."""
    if isinstance(data, Mapping):
        items = cast("Mapping[str, Any]", data).items()
        return {k: without_ids(v) for k, v in items if k not in ("id", "created_at")}
    if isinstance(data, (list, tuple)):
        return [without_ids(item) for item in cast("list[Any]", data)]
    return data
