"""What the bytes on the wakeup fd mean.

The C part of a signal handler writes the signal's number, 1 to 64. The other bytes are ours. The
guard reads them too, so this module imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

WAKE: Final = b"\0"
"""Wakes the reader, and is no signal: no signal has the number 0."""

FROM_HANDLER: Final = 0x80
"""Set in a number that our Python handler wrote: another wakeup fd has received it already."""

SELF_SENT: Final = 0x80
"""A byte of its own: the next signal is one that the process sends to itself."""
