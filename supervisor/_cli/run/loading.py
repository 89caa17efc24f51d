"""Loading the target: no event loop runs yet, and nobody supervises.

Signals do here what they do in Python, for an import can be stopped in no other way. Only where a
program reads the output, it is told of the stop first.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from supervisor._cli import targets
from supervisor._cli.run.command_line import Command, task_of


class Loading:
    """What a run needs before its loop runs: its task, and where its team comes from.

    Args:
        command: Names both.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self.task: str | None = ""
        """None where a run is continued."""
        self.source: targets.Source | None = None

    def load(self) -> None:
        """Read the task, and load the target, unless that is done.

        Raises:
            CommandError: One of them cannot be.
        """
        if self.source is None:
            command = self._command
            if command.settings.quiet:
                from supervisor._cli.output.own_stdout import take_stdout

                take_stdout()  # what an import prints is no part of the last message
            self.task = task_of(command)
            self.source = targets.load(
                command.target, trust=command.trust, allow=command.allow, select=command.select
            )


@contextmanager
def told_of_stops(tell: Callable[[signal.Signals], None], *, is_wanted: bool) -> Generator[None]:
    """End the process by SIGINT or SIGTERM, after telling of it.

    Args:
        tell: Called with the signal.
        is_wanted: Whether to tell at all.
    """
    if not is_wanted:
        yield
        return
    from supervisor._process.exit import die_by_signal, end_by_signal

    def on_sigterm(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # for one more, where nobody reads
        tell(signal.SIGTERM)
        die_by_signal(signal.SIGTERM)

    is_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_default:
        signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    except KeyboardInterrupt:
        tell(signal.SIGINT)
        end_by_signal(signal.SIGINT)
    finally:
        if is_default and signal.getsignal(signal.SIGTERM) is on_sigterm:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
