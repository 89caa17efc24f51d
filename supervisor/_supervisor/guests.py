"""Guests: supervisors on the loops of other threads to which a stop is passed on.

There are two kinds. A guest that was entered within the block (`asyncio.to_thread` passes the
context on) obeys each stop, like a nested supervisor on the same loop. Any other guest gets the
signals of the process by itself, and the outermost supervisor of the main thread makes sure that it
is on the same rung or above.

The supervisor waits for each guest until the guest's block is left. Otherwise the main thread would
end, and the guest's thread with it, while the guest's turn still has seconds. A guest that was
entered elsewhere and handles no signal (`signals={}`) is not stopped and not waited for: the code
that runs it stops it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from supervisor._core.events import Rung, StopRequest
from supervisor._core.tasks import AnyTask
from supervisor._reports.findings import TaskInfo
from supervisor._signals.registry import registry

if TYPE_CHECKING:
    from supervisor._supervisor.escalation import Escalation
    from supervisor._supervisor.scope import StopScope


class Guests:
    """The guests of one supervisor.

    Args:
        host: What that supervisor stops.
    """

    def __init__(self, host: StopScope) -> None:
        self.host = host
        self._inside: set[StopScope] = set()
        self._told: set[StopScope] = set()
        self.had_work = False
        """Whether a guest had work when the stop came."""
        self.hosts: set[AnyTask] = set()
        """The spawned tasks that waited for a guest with work then."""

    def enter(self, guest: StopScope) -> None:
        """Add a guest that was entered within the block."""
        self._inside.add(guest)

    def leave(self, guest: StopScope) -> None:
        """Forget a guest that has left its block."""
        self._inside.discard(guest)
        self._told.discard(guest)
        self.host.wake_soon()

    def note_work(self, request: StopRequest) -> None:
        """Remember which guests have work, before the stop is passed on; in any thread.

        Their work may be over before the loop of this supervisor passes the stop on.
        """
        for guest in self._concerned(request):
            if guest.is_busy:
                self.had_work = True
                task = guest.nesting.spawned_task
                self.hosts.update([task] if task is not None else [])

    def tell(self, request: StopRequest, rung: Rung) -> None:
        """Make each guest climb to this rung at least."""
        for guest in self._concerned(request):
            self._told.add(guest)
            self.order(guest, request, rung)
            if not guest.phase.is_open:  # it has left meanwhile, perhaps before it was noted here
                self._told.discard(guest)

    def order(self, guest: StopScope, request: StopRequest, rung: Rung) -> None:
        """Make a guest climb to this rung at least, and report when it has left its block."""
        guest.nesting.note_teller(self)
        guest.follow(request, rung)
        registry.wake_watchdog()

    def _concerned(self, request: StopRequest) -> set[StopScope]:
        guests = set(self._inside)
        # To guests that get the signal by themselves, only the main thread passes the stop on.
        if registry.guests and request.signal is not None and self.host.home.is_in_main_thread:
            listeners = cast("tuple[Escalation, ...]", registry.guests)
            guests.update(each.scope for each in listeners if request.signal in each.handled)
        return guests

    @property
    def are_open(self) -> bool:
        """Whether a guest to which a stop was passed on has not left its block."""
        return bool(self._told)

    @property
    def are_busy(self) -> bool:
        """Whether any of the guests has work."""
        return any(guest.is_busy for guest in self._all())

    def active_agents(self) -> list[str]:
        """Return the agents whose turn it is."""
        return [name for guest in self._all() for name in guest.active_agents()]

    def tasks_at_work(self) -> Iterator[TaskInfo]:
        """Yield the tasks that the guests wait for."""
        for guest in self._all():
            yield from guest.tasks_at_work()

    def _all(self) -> set[StopScope]:
        return self._inside | self._told
