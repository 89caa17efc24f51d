"""Guests: the supervisors on the loops of other threads that a stop tells, and waits for.

Two kinds are told. One that was entered within this one's block (`asyncio.to_thread` passes the
context on) obeys each of its stops, as one that is nested on the same loop. Any other hears the
signals of the process by itself; the outermost supervisor of the main thread sees to it that it is
no less far.

Each is waited for until its block is left. Else the main thread would come to its end while a turn
of theirs still has its seconds, and their thread with it. Not told, and not waited for, is one that
was opened by itself and hears no signal (`signals={}`): whoever runs it stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, cast

from supervisor._core.events import Rung, StopRequest
from supervisor._core.tasks import AnyTask
from supervisor._reports.findings import TaskInfo
from supervisor._signals.registry import Listener, registry


class Guest(Listener, Protocol):
    """A supervisor on another loop; it is asked in any thread."""

    @property
    def is_open(self) -> bool:
        """Whether its block is."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether it has work, and not only an open block."""
        ...

    @property
    def on_behalf_of(self) -> AnyTask | None:
        """The spawned task in whose thread it is."""
        ...

    def follow(self, request: StopRequest, rung: Rung, guests: Guests) -> None:
        """Be no less far, and leave `guests` as the block is left."""
        ...

    def active_agents(self) -> list[str]:
        """Whose turn it is."""
        ...

    def tasks_at_work(self) -> Iterator[TaskInfo]:
        """The tasks that it waits for."""
        ...


class Guests:
    """Those of one supervisor.

    Args:
        deadline: When that one's stop is over; None for never.
        on_left: Called when one has left its block; in any thread.
    """

    def __init__(self, deadline: Callable[[], float | None], on_left: Callable[[], None]) -> None:
        self.deadline = deadline
        self._on_left = on_left
        self._inside: set[Guest] = set()
        self._told: set[Guest] = set()
        self.had_work = False
        """Whether one had work as the stop came."""
        self.hosts: set[AnyTask] = set()
        """The spawned tasks that waited for one with work then."""

    def enter(self, guest: Guest) -> None:
        """One was entered within the block."""
        self._inside.add(guest)

    def leave(self, guest: Guest) -> None:
        """One has left its block."""
        self._inside.discard(guest)
        self._told.discard(guest)
        self._on_left()

    def look(self, request: StopRequest, *, hear_signals: bool) -> None:
        """Remember who has work, before anybody is told; in any thread.

        What they have may be over before the loop of this one comes to tell.

        Args:
            request: What has asked for the stop.
            hear_signals: Whether those count, too, that hear the signal by themselves.
        """
        for guest in self._concerned(request, hear_signals=hear_signals):
            if guest.is_busy:
                self.had_work = True
                task = guest.on_behalf_of
                self.hosts.update([task] if task is not None else [])

    def tell(self, request: StopRequest, rung: Rung, *, hear_signals: bool) -> None:
        """Have them be no less far.

        Args:
            request: What has asked for the stop.
            rung: How far.
            hear_signals: Whether those are told, too, that hear the signal by themselves.
        """
        for guest in self._concerned(request, hear_signals=hear_signals):
            self._told.add(guest)
            guest.follow(request, rung, self)
            if not guest.is_open:  # it has left meanwhile, and may have found nobody to tell
                self._told.discard(guest)

    def _concerned(self, request: StopRequest, *, hear_signals: bool) -> set[Guest]:
        guests = set(self._inside)
        if hear_signals and request.signal is not None:
            heard = (guest for guest in registry.guests if request.signal in guest.handled)
            guests.update(cast("Iterator[Guest]", heard))
        return guests

    @property
    def are_open(self) -> bool:
        """Whether one that was told has not left its block."""
        return bool(self._told)

    @property
    def are_busy(self) -> bool:
        """Whether one that was told, or was entered within the block, has work."""
        return any(guest.is_busy for guest in self._all())

    def active_agents(self) -> list[str]:
        """Whose turn it is."""
        return [name for guest in self._all() for name in guest.active_agents()]

    def tasks_at_work(self) -> Iterator[TaskInfo]:
        """The tasks that they wait for."""
        for guest in self._all():
            yield from guest.tasks_at_work()

    def _all(self) -> set[Guest]:
        return self._inside | self._told
