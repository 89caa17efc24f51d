"""The foreground of the terminal: handed to a command's process group, and taken back.

The kernel sends the keys (Ctrl-C, Ctrl-Z) to the group in the foreground. In a pipeline we keep it,
for the others of our group, and pass the keys on; a command that wants to read the terminal gets it
when it asks.
"""

from __future__ import annotations

import contextlib
import os
import sys

assert sys.platform != "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_NONE: Final = -1  # no file has this number


class Foreground:
    """The terminal that controls our session, if there is one; with all signals blocked."""

    def __init__(self) -> None:
        self._terminal = _controlling_terminal()

    @property
    def has_terminal(self) -> bool:
        """Whether there is a terminal."""
        return self._terminal != _NONE

    def is_held_by(self, group: int) -> bool:
        """Return whether a process group is in the foreground."""
        try:
            return os.tcgetpgrp(self._terminal) == group
        except OSError:  # none, or hung up
            return False

    def hand_over(self, group: int, *, in_pipeline: bool) -> bool:
        """Put a group into the foreground in place of ours; return whether it is there.

        Args:
            group: The group.
            in_pipeline: Whether to do it even where others of a pipeline may want the foreground.
        """
        if not self.is_held_by(os.getpgrp()):
            return False
        if not in_pipeline and not (os.isatty(0) and os.isatty(1)):
            return False
        try:
            os.tcsetpgrp(self._terminal, group)
        except OSError:  # it has ended already, or the terminal has
            return False
        return True

    def take_back(self, group: int) -> None:
        """Put our group into the foreground in place of another one, if that is there."""
        if self.is_held_by(group):
            with contextlib.suppress(OSError):  # hung up
                os.tcsetpgrp(self._terminal, os.getpgrp())


def _controlling_terminal() -> int:
    for fd in (0, 1, 2):
        try:
            os.tcgetpgrp(fd)
        except OSError:
            continue
        return fd
    return _NONE
