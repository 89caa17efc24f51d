"""The stop of a whole program: the first that a signal, or the time limit, has brought about."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from supervisor._process.exit import exit_status
from supervisor._signals.registry import registry

if TYPE_CHECKING:
    from supervisor._core.events import StopRequest
    from supervisor._supervisor.parts import Parts

TIMED_OUT: Final = 124
"""The status of a program that its time limit has stopped, as by `timeout`."""


class ProgramStop:
    """The stop of a program, once there was one. It holds for all that the program begins later."""

    def __init__(self) -> None:
        self.parts: Parts | None = None
        """Those of the supervisor that was stopped."""
        self.raised: list[BaseException] = []
        """What has come out of loops whose body was cancelled."""
        self.is_timed_out = False
        """Whether the time limit has come."""

    @property
    def request(self) -> StopRequest | None:
        """Who has asked for it."""
        return self.parts.stop.request if self.parts is not None else None

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that the program has to die by."""
        return self.request.signal if self.request is not None else None

    @property
    def has_come(self) -> bool:
        """Whether the program is to begin nothing new."""
        return self.parts is not None or self.is_timed_out

    def take(self, parts: Parts) -> bool:
        """Take over what is left of a supervisor's stop, if that is one of the program.

        Its deadline holds from now on, whatever the program does. The signals are the program's
        again: while no loop runs they do what they do in Python.
        """
        request = parts.stop.request
        registry.leave(parts.escalation)
        is_ours = request is not None and (request.signal is not None or self.is_timed_out)
        if not is_ours or self.parts is not None:
            return is_ours
        self.parts = parts
        parts.escalation.handled = frozenset()
        registry.add(parts.escalation)
        registry.wake_watchdog()  # it may have looked in between, and sleep for good
        return True

    def interruption(self) -> BaseException:
        """Return what a loop raises whose body the stop has cancelled, for the program's own code.

        It is what the program would see by itself, or with an ordinary handler of SIGTERM.
        """
        number = self.signal
        status = TIMED_OUT if number is None else exit_status(number)
        self.raised.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(status))
        return self.raised[-1]
