"""A run that is owned, of which a list is kept instead of a store's rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from supervisor import Run
from supervisor._autogen.checkpoints.calls.gate import ToolGate
from supervisor._checkpoints.snapshot import Snapshot
from supervisor._checkpoints.store import CallRecord
from supervisor.errors import LeaseLost
from tests.unit.autogen.checks import adapter_in


def _ignore(_error: BaseException) -> None:
    pass


Recall = Callable[[ToolGate], object]


class NotedRun:
    """What the gate needs of a run that is owned.

    Args:
        writes: Whether the store answers; else the calls that begin wait for `answer`.
    """

    def __init__(self, *, writes: bool = True) -> None:
        self.id = "r"
        self.fence = 7
        self.on_failed: Callable[[BaseException], None] = _ignore
        self.may_act = True
        self.commits: list[list[CallRecord]] = []
        """What has begun, by commits."""
        self.results: dict[str, str] = {}
        self.dropped: list[str] = []
        self.order: list[str] = []
        """Names: of what was begun, was durable, was called, has ended."""
        self.is_asked = asyncio.Event()
        self._writes = writes
        self._waiting: list[asyncio.Future[None]] = []

    def snapshot(self) -> Snapshot:
        """Return where it stands."""
        return Snapshot(turn=3, changes=[], lengths={}, rest={})

    def begin_calls(self, snapshot: Snapshot, calls: Sequence[CallRecord]) -> asyncio.Future[None]:
        """Take calls; they are durable in the loop's next step, where the store answers."""
        self.commits.append(list(calls))
        self.order.append("begun " + " ".join(call.tool for call in calls))
        self.is_asked.set()
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._writes:
            asyncio.get_running_loop().call_soon(self.answer)
        return future

    def answer(self, error: BaseException | None = None) -> None:
        """Have what waits written, or fail."""
        while self._waiting:
            future = self._waiting.pop()
            if error is not None:
                future.set_exception(error)
            else:
                self.order.append("durable")
                future.set_result(None)

    def end_call(self, call_id: str, result: str) -> None:
        """Take a result."""
        self.results[call_id] = result
        self.order.append("ended")

    def drop_call(self, call_id: str) -> None:
        """Take a call back."""
        self.dropped.append(call_id)

    def lose(self, error: BaseException | None = None) -> None:
        """Tell once that it has failed; in the loop's next step, as the real one does."""
        on_failed, self.on_failed = self.on_failed, _ignore
        asyncio.get_running_loop().call_soon(on_failed, error or LeaseLost(self.id))

    @property
    def records(self) -> list[CallRecord]:
        """What has begun."""
        return [record for commit in self.commits for record in commit]


def gated(
    run: Run,
    noted: NotedRun,
    idempotent: frozenset[str] = frozenset(),
    recall: Recall | None = None,
) -> ToolGate:
    """Give a run that has not started a gate, for as long as it is at work.

    Args:
        run: The run.
        noted: Takes what is written of it.
        idempotent: The names of tools that are.
        recall: Gives the gate what was recorded in an interrupted turn.
    """
    adapter = adapter_in(run)
    noted.on_failed = adapter._control.fail
    gate = ToolGate(noted, noted.snapshot, adapter.context, idempotent)
    if recall is not None:
        recall(gate)
    prepare, close = adapter.prepare, adapter.close

    async def prepare_and_open() -> None:
        await prepare()
        gate.open(adapter._things)
        await gate.make_again()

    def close_both() -> None:
        gate.close()
        close()

    adapter.prepare = prepare_and_open  # type: ignore[method-assign]
    adapter.close = close_both  # type: ignore[method-assign]
    return gate
