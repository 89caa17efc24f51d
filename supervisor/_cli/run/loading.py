"""A stop while the target is being loaded: no event loop runs yet, and nobody supervises.

Signals do there what they do in Python, for an import can be stopped in no other way. Only where a
program reads the output, it is told of the stop first.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from supervisor._process.exit import die_by_signal, end_by_signal


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
