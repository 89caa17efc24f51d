"""One stop as it stands: who asked for it first, how far it has gone, and the facts that move it.

The rules (`_core/ladder.py`) say what follows from a fact. Facts come from any thread, also from a
signal handler that has interrupted the very code that works one off: so they go through a
`Mailbox`, and nobody waits for a lock.
"""

from __future__ import annotations

from collections.abc import Callable

from supervisor._core.events import Rung, StopRequest
from supervisor._core.ladder import LadderState, Step
from supervisor._core.mailbox import Mailbox
from supervisor._core.settings import Ladder
from supervisor._signals.registry import registry


class Stop:
    """The stop of one supervisor. Its methods may be called from any thread.

    Args:
        ladder: The seconds of each rung.
        exits: Whether EXIT applies: True from the start, None after a signal, False never.
    """

    def __init__(self, ladder: Ladder, *, exits: bool | None) -> None:
        self.ladder = ladder
        self.ladder_state = LadderState(ladder, exits=exits)
        self.never_exits = exits is False
        """Whether the process goes on, whatever refuses to stop."""
        self.request: StopRequest | None = None
        """The first request; known before the ladder is climbed."""
        self.cancelled_at: float | None = None
        """When what is at work was cancelled."""
        self.is_spent = False
        """Whether the ladder has ended, and what refuses to stop is left."""
        self.on_step: Callable[[Step], None] = lambda _: None
        """Called with each step that follows from a fact, in the thread that works it off."""
        self.on_repeated: Callable[[], None] = lambda: None
        """Called when a signal counts and changes nothing, in the thread that works it off."""
        self._began_at: float | None = None
        self._mailbox = Mailbox()

    @property
    def rung(self) -> Rung:
        """How far it has gone."""
        return self.ladder_state.rung

    @property
    def exits(self) -> bool:
        """Whether EXIT applies."""
        return self.ladder_state.exits

    @property
    def is_for_process(self) -> bool:
        """Whether it stops the program, and no piece of it: by a signal, or where EXIT applies."""
        return self.exits or bool(self.ladder_state.counted)

    @property
    def deadline(self) -> float | None:
        """When EXIT is entered at the latest; None for never, and while there is no stop."""
        return self.ladder_state.deadline

    @property
    def is_by_signal(self) -> bool:
        """Whether a signal asked for it first."""
        return self.request is not None and self.request.signal is not None

    def age(self) -> float:
        """Return the seconds since it was asked for."""
        return registry.clock.now() - self._began_at if self._began_at is not None else 0.0

    def ask(self, request: StopRequest) -> None:
        """Note what asks for a stop, unless something did before; also in a signal handler."""
        if self.request is None:
            self.request = request

    def clip(self, deadline: float | None) -> None:
        """Make the end no later than the deadline of another supervisor's stop."""
        if deadline is not None:
            self.ladder_state.clip(deadline)

    def go_to(self, rung: Rung) -> None:
        """Climb to a rung, because code asks for it."""
        now = registry.clock.now()
        self._mailbox.post(lambda: self._work_off(self.ladder_state.request(rung, now), now))

    def signal(self, number: int, entry: Rung, at: float, now: float) -> None:
        """Climb, because a signal has arrived.

        Args:
            number: The signal.
            entry: The rung at which it enters the ladder.
            at: When it arrived.
            now: The time.
        """
        self._mailbox.post(lambda: self._work_off(self._count(number, entry, at, now), now))

    def idle(self) -> None:
        """Leave DRAIN, because there is nothing to wait for."""
        now = registry.clock.now()
        self._mailbox.post(lambda: self._work_off(self.ladder_state.idle(now), now))

    def tick(self, now: float) -> None:
        """Climb, where it is time."""
        at = self.ladder_state.next_at
        if at is not None and at <= now:
            self._mailbox.post(lambda: self._work_off([], now))

    def _count(self, number: int, entry: Rung, at: float, now: float) -> list[Step]:
        # By time first: the signal climbs from the rung on which it came.
        steps = self.ladder_state.tick(at)
        counted = self.ladder_state.signal(number, entry, now, at)
        if not counted:  # a duplicate: the guard, which has seen it too, counts it otherwise
            registry.update_guard()
            if not self.ladder_state.can_exit and self.ladder_state.counted.get(number) == at:
                self.on_repeated()
        return steps + counted

    def _work_off(self, steps: list[Step], now: float) -> None:
        steps = steps + self.ladder_state.tick(now)
        if not steps:
            return
        if self._began_at is None:
            self._began_at = self.ladder_state.began_at
        registry.update_guard()
        for step in steps:
            self.on_step(step)
