"""What stops together: runs, spawned tasks, the body of the block, and supervisors inside it.

Here is what belongs to one block, and who of it is at work: so whom a stop waits for, and whom it
leaves alone. What each step of a stop does with it stands in `steps.py`.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from supervisor._core.asyncio_tools import refuse_eager
from supervisor._core.body_task import BodyTask
from supervisor._core.errors import Stopped, UsageError
from supervisor._core.events import Rung, StopRequest
from supervisor._core.settings import Ladder
from supervisor._core.stoppable import Stoppable
from supervisor._core.tasks import AnyTask
from supervisor._process.cleanup import ChildCleanup
from supervisor._reports.findings import TaskInfo
from supervisor._signals.registry import registry
from supervisor._supervisor.announcement import Announcement
from supervisor._supervisor.gc_pause import GcPause
from supervisor._supervisor.home_loop import HomeLoop
from supervisor._supervisor.interrupts import Interrupts
from supervisor._supervisor.nesting import Nesting
from supervisor._supervisor.pending_results import PendingResults
from supervisor._supervisor.run_watcher import WATCHER, RunWatcher
from supervisor._supervisor.spawned import SpawnedTasks
from supervisor._supervisor.stop import Stop

if TYPE_CHECKING:
    from supervisor._autogen.token import SupervisedToken


class BlockPhase(enum.Enum):
    """Where a block is in its life."""

    NEW = "not entered yet"
    OPEN = "open"
    LEAVING = "leaving"
    CLOSED = "left"

    @property
    def is_open(self) -> bool:
        """Whether something can be started in it."""
        return self in (BlockPhase.OPEN, BlockPhase.LEAVING)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is waited for any more."""
        return self is BlockPhase.CLOSED

    @property
    def is_leaving(self) -> bool:
        """Whether its body has ended, and what was started in it may still be at work."""
        return self is BlockPhase.LEAVING


class StopScope:
    """What one supervisor stops. For its runs, it is their `Owner`.

    Args:
        stop: The supervisor's stop.
        cleanup: The processes that the program has started.
    """

    def __init__(self, stop: Stop, cleanup: ChildCleanup) -> None:
        self.stop = stop
        self.phase = BlockPhase.NEW
        self.home = HomeLoop()
        self.nesting = Nesting(self)
        self.interrupts = Interrupts(self)
        self.announcement = Announcement(self.home)
        self.body: BodyTask | None = None
        self.runs: dict[Stoppable, RunWatcher | None] = {}
        """Each with who watches it."""
        self.results = PendingResults(self.wake)
        self.spawned = SpawnedTasks(self.wake)
        self.cleanup = cleanup
        self.token: SupervisedToken | None = None
        self.gc_pause = GcPause()
        self.changed: asyncio.Event | None = None
        """Set when there may be less to wait for."""
        self.on_change: Callable[[], None] | None = None
        """Called in the loop at such times, and when a stop has taken a step; for a host."""

    def __repr__(self) -> str:
        what = f"{len(self.runs)} runs, {len(self.spawned.alive)} tasks"
        return f"<Supervisor {self.phase.value}, {what}, {self.stop.ladder_state}>"

    # -- as its runs see it -------------------------------------------------------------------

    @property
    def ladder(self) -> Ladder:
        """The seconds of each rung."""
        return self.stop.ladder

    @property
    def stop_request(self) -> StopRequest | None:
        """The first request to stop, or to interrupt, from the moment at which it came."""
        return self.stop.request or self.interrupts.request

    @property
    def yields_no_more(self) -> bool:
        """Whether CANCEL was entered, or is about to be by an interrupt; asked at each event.

        The ladder's state is ahead of the loop, in which its steps are carried out: the watchdog
        may have changed it just now, or the body, which reads what is buffered without letting the
        loop run.
        """
        if self.stop.request is not None and self.stop.rung >= Rung.CANCEL:
            return True
        if self.interrupts.request is not None:
            return True
        return self.nesting.around is not None and self.nesting.around.yields_no_more

    def now(self) -> float:
        """Return the time by the clock of the ladders."""
        return registry.clock.now()

    def attach(self, run: Stoppable) -> None:
        """Take in a run that starts.

        Raises:
            UsageError: The block is not open, or belongs to another loop.
            Stopped: A stop was requested.
        """
        self.check_open("a run")
        self.check_running()
        refuse_eager(asyncio.get_running_loop())
        self.runs[run] = watcher = WATCHER.get()
        self.interrupts.note_begin()
        self.nesting.add_to_count(1)
        if watcher is not None:
            watcher.on_run(run)

    def detach(self, run: Stoppable) -> None:
        """Forget a run that is done."""
        watcher = self.runs.pop(run)
        self.nesting.add_to_count(-1)
        if watcher is not None:
            watcher.on_run_over()
        self.interrupts.notebook.look()
        self.wake()

    def expect(self, run: Stoppable) -> None:
        """Note that a run is done, and that a reader has still to get its result."""
        self.results.expect(run)

    def served(self, run: Stoppable) -> None:
        """Note that no reader has still to get the result of this run."""
        self.results.served(run)
        if self.announcement.request is not None:
            self.note_work_of_body()

    def wake(self) -> None:
        """Look again at what there is to wait for."""
        if self.changed is not None:
            self.changed.set()
        is_draining = self.announcement.request is not None and self.stop.rung is Rung.DRAIN
        if is_draining and not self._has_to_wait():
            self.stop.idle()
            registry.wake_watchdog()
        if not self.nesting.run_count:
            self.gc_pause.end()
        if self.on_change is not None:
            self.on_change()
        if self.nesting.parent is not None:
            self.nesting.parent.wake()

    def wake_soon(self) -> None:
        """Do the same soon; from any thread."""
        self.home.call_soon(self.wake)

    # -- checks -------------------------------------------------------------------------------

    def check_open(self, what: str) -> None:
        """Raise a UsageError where nothing can be started: outside the block, or its loop."""
        if not self.phase.is_open:
            raise UsageError(
                f"{what} needs an open Supervisor, and this one is {self.phase.value}; "
                "use it inside `async with Supervisor() as sup:`"
            )
        if not self.home.is_current:
            raise UsageError(
                f"{what} belongs to the event loop of its Supervisor; make one in this loop"
            )

    def check_running(self) -> None:
        """Raise `Stopped` where a stop was requested, of this supervisor or of one around it."""
        if self.stop.request is not None:
            if (watcher := WATCHER.get()) is not None:
                watcher.on_refused(self.stop.request)
            raise Stopped(self.stop.request)
        if self.nesting.around is not None:
            self.nesting.around.check_running()

    # -- told to stop by a supervisor around it -------------------------------------------------

    def follow(self, request: StopRequest, rung: Rung) -> None:
        """Be no less far than the supervisor around this one."""
        self.stop.ask(request)
        self.nesting.clip()
        self.stop.go_to(rung)

    def hold_back(self) -> None:
        """Begin no turn: a signal has arrived, and what the ladder makes of it follows soon."""
        request = self.stop.request
        if request is not None and self.announcement.request is None:
            self.note_work_of_body()
            for run in list(self.runs):
                run.drain(request)
            for child in self.nesting.children:
                child.stop.ask(request)
                child.hold_back()

    # -- who is at work -----------------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether there is something that the block has to wait for."""
        if self.spawned.alive or _are_at_work(self.runs) or self.cleanup.is_ending:
            return True
        if any(child.is_working for child in self.nesting.children):
            return True
        return self.stop.request is not None and self.nesting.guests.are_busy

    @property
    def is_busy(self) -> bool:
        """Whether it has work, and not only an open block; in any thread."""
        if self.spawned.alive or _are_at_work(list(self.runs)):
            return True
        inner = any(child.is_busy for child in list(self.nesting.children))
        return inner or self.results.are_due or self.nesting.guests.are_busy

    @property
    def is_read(self) -> bool:
        """Whether a reader is on its way to the result of a run that has ended."""
        return self.results.are_read or any(child.is_read for child in self.nesting.children)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody has still to get such a result, even without reading."""
        return self.results.are_due or any(child.is_awaited for child in self.nesting.children)

    def _has_to_wait(self) -> bool:
        if self.is_working or self.is_read or self.nesting.guests.are_open:
            return True
        body = self.body if self.phase is BlockPhase.OPEN else None
        return body is not None and body.is_work and not body.has_ended

    def note_work_of_body(self) -> None:
        """Give the body until ABANDON, where a run that the stop ends has a result for it."""
        if self.body is None or self.body.is_work:
            return
        had_work = self.is_working or self.results.is_handing_over or self.nesting.guests.had_work
        self.body.is_work = had_work

    def spared(self) -> set[AnyTask | None]:
        """Return the tasks that CANCEL leaves alone: they have a run's result to go on with."""
        spared: set[AnyTask | None] = {reader for run in self.runs for reader in run.readers}
        spared |= self.results.readers | self.nesting.guests.hosts
        body = self.body
        if body is not None and (body.is_work or self.is_working or self.is_awaited):
            spared.add(body.task)
        for child in self.nesting.children:
            spared |= child.spared()
        return spared

    def active_agents(self) -> list[str]:
        """Return the names of the agents whose turn it is; in any thread."""
        own = [name for run in list(self.runs) for name in run.active_agents()]
        inner = [name for child in list(self.nesting.children) for name in child.active_agents()]
        return own + inner + self.nesting.guests.active_agents()

    def tasks_at_work(self) -> Iterator[TaskInfo]:
        """Return the tasks that it waits for; in any thread."""
        now = registry.clock.now()
        asked = _seconds_since(self.stop.cancelled_at, now)
        for run in list(self.runs):
            if not run.is_over:
                yield from run.tasks_at_work(asked)
        for task in list(self.spawned.alive):
            yield TaskInfo(task, "spawned", asked=asked)
        for child in list(self.nesting.children):
            yield from child.tasks_at_work()
        yield from self.nesting.guests.tasks_at_work()
        body = self.body
        is_open = self.phase is not BlockPhase.CLOSED
        if is_open and body is not None and body.task is not None and not body.has_ended:
            asked = _seconds_since(body.cancelled_at, now)
            yield TaskInfo(body.task, "the body of the block", asked=asked)
        for run in list(self.runs):  # a task that only waits for a run refuses nothing
            yield from (TaskInfo(task=reader) for reader in run.readers)


def _are_at_work(runs: Iterable[Stoppable]) -> bool:
    for run in runs:  # noqa: SIM110 - a generator would be two more calls on each signal's way
        if not run.is_over:
            return True
    return False


def _seconds_since(at: float | None, now: float) -> float | None:
    return now - at if at is not None else None
