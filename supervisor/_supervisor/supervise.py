"""`supervise()`: one run with a block around it, in somebody else's program.

The block opens as the run starts, and closes once nothing of it is at work. A task of its own, the
*keeper*, leaves it, because the reader may go away at any event. So nobody's task is the body of
this block, and none is cancelled by its stop: whoever waits for the run gets what became of it.
Where the last reader has its result, and nothing else is at work, the block is closed in that very
step. So the reader finds the signal handlers as they were.

Not chosen: an asynchronous generator around `async with`. A loop that is left by `break` leaves it
to the garbage collector, which closes it in another task.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from supervisor._core.body_task import BodyTask
from supervisor._core.events import Rung
from supervisor._core.settings import Children, Ladder
from supervisor._supervisor.facade import Supervisor, parts_of
from supervisor._supervisor.keeping import LEASE_SECONDS
from supervisor._supervisor.nesting import innermost
from supervisor._supervisor.runs import kept_run_of, run_of

if TYPE_CHECKING:
    from supervisor._autogen.adapter import AnyToken, Runnable, Task
    from supervisor._autogen.messages import Event, TaskResult
    from supervisor._checkpoints.settings import Durability
    from supervisor._checkpoints.store import CheckpointStore
    from supervisor._core.events import StopRequest
    from supervisor._core.run import Run
    from supervisor._core.stoppable import Stoppable
    from supervisor._core.tasks import AnyTask


def supervise(  # noqa: PLR0913 - each setting by its name
    team: Runnable,
    task: Task | None = None,
    *,
    cancellation_token: AnyToken | None = None,
    output_task_messages: bool = True,
    timeout: float | None = None,
    ladder: Ladder | None = None,
    signals: Mapping[signal.Signals | int | str, Rung | str] | None = None,
    children: Children | None = None,
    fast_path: bool = True,
    checkpoints: str | CheckpointStore | None = None,
    durability: Durability = "async",
    lease: float = LEASE_SECONDS,
    idempotent: Collection[str] = (),
    id: str | None = None,  # noqa: A002 - the word that users have for it
    wait: float | None = None,
    allow_changed: bool = False,
) -> Run[Event, TaskResult]:
    """Run a team or an agent with a block around the run; for a cell, a script, a worker's task.

    Await it for the `TaskResult`, or iterate it. The block opens as the run starts, and closes by
    itself once the run has settled, also if the loop over it is left by `break`, or its task is
    cancelled. While it is open, signals stop the run; the process is never ended, as with
    `exits=False`. A team that refuses to stop is quarantined, and the run raises `Quarantined`.

    Inside an open block, the run is one of that block. If `ladder`, `signals`, `children` or
    `checkpoints` is given, it has a block of its own there, too.

    Args:
        team: Anything with AutoGen's `run_stream`.
        task: What `run_stream` takes: a string, a message, messages, or None to go on.
        cancellation_token: A token of yours that ends the run with `CancelledError`.
        output_task_messages: Whether the task's own messages are among the events.
        timeout: Seconds after which the run is stopped, with the reason "Stopped after 60 s".
        ladder: The seconds of each rung, as for `Supervisor`.
        signals: The signals that stop it, each with its rung, as for `Supervisor`.
        children: Which child processes are ended by a stop by a signal, as for `Supervisor`.
        fast_path: Whether streamed events take the fast path, as for `Supervisor`.
        checkpoints: Where a run with an id is kept, as for `Supervisor`; None: where the block
            keeps its runs in which it is started.
        durability: When what is new of it is written, as for `Supervisor`.
        lease: For how many seconds this process owns it, unless that is renewed.
        idempotent: The names of tools that may be called again for the same call.
        id: Keeps the run in the store, under this name, as for `Supervisor.stream`.
        wait: Seconds to wait for a run that another process has.
        allow_changed: Whether to go on with a run of another task, or of another team.

    Returns:
        A coroutine object that can also be iterated; see `Run`.

    Raises:
        UsageError: It has an id, and there is no store.
        TypeError: `team` cannot be run.
        SettingsError: A setting has a value that it cannot have.

    Example:
        ```python
        result = await supervise(team, "Write a haiku")

        async for event in supervise(team):
            print(event)
        ```
    """
    sup = Supervisor(
        ladder=ladder,
        signals=signals,
        exits=False,
        children=children,
        fast_path=fast_path,
        checkpoints=checkpoints,
        durability=durability,
        lease=lease,
        idempotent=idempotent,
    )
    may_join = ladder is None and signals is None and children is None and checkpoints is None
    around = innermost()
    keeping = parts_of(sup).keeping
    if may_join and around is not None and around.nesting.supervisor is not None:
        keeping = parts_of(around.nesting.supervisor).keeping
    is_ours = around is not None and cancellation_token is around.token
    return run_of(
        _OwnBlock(sup, may_join=may_join),
        team,
        task,
        cancellation_token=None if is_ours else cancellation_token,
        output_task_messages=output_task_messages,
        timeout=timeout,
        fast_path=fast_path,
        kept=kept_run_of(keeping, id, wait, allow_changed=allow_changed),
    )


class _OwnBlock:
    """The `Owner` of one run: a block that is opened for it, or the one in which it is started.

    Args:
        supervisor: Whose block it is; not entered yet.
        may_join: Whether the run may become part of an open block.
    """

    def __init__(self, supervisor: Supervisor, *, may_join: bool) -> None:
        self._parts = parts_of(supervisor)
        self._scope = self._parts.scope
        self._may_join = may_join
        self._keeper: AnyTask | None = None

    @property
    def ladder(self) -> Ladder:
        """The seconds of each rung."""
        return self._scope.ladder

    @property
    def body(self) -> BodyTask | None:
        """The body of the block, where the run has become part of one."""
        return self._scope.body

    @property
    def stop_request(self) -> StopRequest | None:
        """The first request to stop."""
        return self._scope.stop_request

    @property
    def yields_no_more(self) -> bool:
        """Whether CANCEL was entered."""
        return self._scope.yields_no_more

    def now(self) -> float:
        """Return the time by the clock of the ladders."""
        return self._scope.now()

    def attach(self, run: Stoppable) -> None:
        """Take in the run, as it starts."""
        around = innermost() if self._may_join else None
        if around is not None and around.home.is_current:
            self._scope = around
        else:
            self._open()
        try:
            self._scope.attach(run)
        except BaseException:
            self._close_if_over()
            raise

    def detach(self, run: Stoppable) -> None:
        """Forget the run, which is done."""
        self._scope.detach(run)
        self._close_if_over()

    def expect(self, run: Stoppable) -> None:
        """Note that a reader has still to get the result."""
        self._scope.expect(run)

    def served(self, run: Stoppable) -> None:
        """Note that no reader has still to get it."""
        self._scope.served(run)
        self._close_if_over()

    def wake(self) -> None:
        """Look again at what there is to wait for."""
        self._scope.wake()

    def _open(self) -> None:
        self._parts.block.enter()
        self._scope.body = None
        loop = asyncio.get_running_loop()
        self._keeper = loop.create_task(self._keep(), name="keeper of a supervised run")

    async def _keep(self) -> None:
        self._scope.body = BodyTask()
        await self._parts.block.leave(None)

    def _close_if_over(self) -> None:
        if self._keeper is not None:
            self._parts.block.close_if_over()
