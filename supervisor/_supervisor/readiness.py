"""What a supervisor tells the process's watchers: ready as its block is open, then stopping."""

from __future__ import annotations

import contextlib
import errno
import threading

from supervisor._core.errors import SettingsError
from supervisor._process.readiness import READY, STOPPING, ReadyFile, notify_manager
from supervisor._signals.handlers import is_main_thread
from supervisor._supervisor.scope import StopScope


class Readiness:
    """Keeps the ready file and the service manager informed.

    Args:
        file: The ready file, if there is to be one.
        scope: What the supervisor stops.
    """

    def __init__(self, file: ReadyFile | None, scope: StopScope) -> None:
        self._file = file
        self._scope = scope

    def tell_ready(self, unwind: contextlib.ExitStack) -> None:
        """Tell that the block is open.

        Raises:
            SettingsError: The ready file cannot be written.
        """
        if self._file is not None and self._scope.stop.request is None:
            unwind.callback(self._file.remove)
            try:
                self._file.create()
            except OSError as error:
                rule, path = _rule_for(error), str(self._file.path)
                raise SettingsError("ready_file", rule, path) from error
        if self._scope.nesting.parent is None and is_main_thread():
            notify_manager(READY)

    def tell_stopping(self) -> None:
        """Tell that a stop has begun; in any thread.

        Before anything else is done: whoever sends work looks here.
        """
        if self._file is not None:
            self._file.remove()
        is_main = self._scope.home.thread == threading.main_thread().ident
        if is_main and self._scope.nesting.parent is None:
            notify_manager(STOPPING)


def _rule_for(error: OSError) -> str:
    """Return what to do about a ready file that cannot be written."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"make room on that disk, or name a file on another one ({why})"
    return f"name a file in a folder that exists and can be written to ({why})"
