"""The parts of one supervisor, put together."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from supervisor._process.cleanup import ChildCleanup
from supervisor._process.process_info import ProcessInfo
from supervisor._signals.registry import registry
from supervisor._supervisor.block import Block
from supervisor._supervisor.escalation import Escalation
from supervisor._supervisor.keeping import Keeping
from supervisor._supervisor.process_end import ProcessEnd
from supervisor._supervisor.readiness import Readiness
from supervisor._supervisor.report import StopReport
from supervisor._supervisor.scope import StopScope
from supervisor._supervisor.settings import SupervisorSettings
from supervisor._supervisor.stop import Stop
from supervisor._supervisor.stop_telemetry import StopTelemetry


class Parts:
    """What a `Supervisor` consists of; for `run` too, which begins before the block and ends after.

    Args:
        settings: The supervisor's.
    """

    def __init__(self, settings: SupervisorSettings) -> None:
        self.settings = settings
        self.stop = Stop(settings.ladder, exits=settings.exits)
        self.cleanup = ChildCleanup(settings.children, self._on_killed, self._on_over)
        self.scope = StopScope(self.stop, self.cleanup)
        self.report = StopReport(self.scope, signals=settings.signals)
        self.stop.on_repeated = self.report.say_again
        self.scope.interrupts.on_interrupt = self.report.say_interrupt
        telemetry = StopTelemetry(self.scope)
        self.end = ProcessEnd(self.scope, self.report, telemetry)
        readiness = Readiness(settings.ready_file, self.scope)
        self.escalation = Escalation(settings, self.scope, self.end, self.report, readiness)
        self.escalation.on_dropped = self._on_dropped
        self.keeping = Keeping(settings.keeping, settings.ladder, lambda: self.stop.rung)
        self.block = Block(
            self.scope, self.escalation, self.end, readiness, telemetry, self.keeping
        )

    def _on_dropped(self, number: int) -> None:
        """Give the signals back: nobody can leave a block any more whose loop is closed."""
        if self.end.is_dropped and not registry.lock.locked():
            self.block.give_back()
            if not registry.is_in_use:
                signal.raise_signal(number)  # for whom it is now

    def _on_killed(self, killed: Sequence[ProcessInfo]) -> None:
        self.report.killed(killed)

    def _on_over(self) -> None:
        self.scope.wake_soon()
