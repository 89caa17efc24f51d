"""The warm process that forks the programs under test, since AutoGen's import takes a second.

Started once by `harness.Server`, with `python -m tests.process.server <fd>`. Each request comes
over that socket: the program's name and arguments as JSON, and the file descriptors that it gets
(stdin, stdout, stderr, where it tells its facts, and a channel of its own). Over the channel the
test learns the pid and the wait status, and has signals sent: the server is the parent, so it
never signals a pid that was reaped and given to somebody else.

It stays in one thread, for only that survives a fork. A child returns from `serve` and falls off
the end of this module: its exit is an interpreter's whole exit.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import selectors
import signal
import socket
import sys
import termios
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any, Final

FACTS_FD: Final = 199  # one that nobody gets by chance
_WARM: Final = (
    "autogen_agentchat.teams",
    "autogen_agentchat.ui",
    "autogen_ext.models.replay",
    "prompt_toolkit.shortcuts",
    "rich.console",
    "uvloop",
    "supervisor._supervisor.facade",
    "supervisor._autogen.adapter",
    "supervisor._autogen.checkpoints.kept_adapter",
    "supervisor._autogen.routing",
    "supervisor._checkpoints.postgres",
    "supervisor._checkpoints.sqlite",
    "supervisor._cli.fleet.session",
    "supervisor._cli.program.launch",
    "supervisor._runner",
    "supervisor.integrations._fleet.worker",
    "supervisor.testing",
    "tests.process.programs",
)
_FDS: Final = 5  # stdin, stdout, stderr, facts, channel


class Server:
    """Forks a child for each request, and reports how it ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._channels: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()

    def serve(self) -> Callable[[], None] | None:
        """Work until the tests are over; return, in each child, the program to run."""
        for end in (self._bell, self._ringer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._ringer.fileno())
        signal.signal(signal.SIGCHLD, _ring)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._bell:
                    self._bell.recv(4096)
                    self._reap()
                elif key.fileobj is self._control:
                    message, fds, _, _ = socket.recv_fds(self._control, 65536, _FDS)
                    if not message:
                        self._kill_all()
                        return None
                    program = self._fork(json.loads(message), fds)
                    if program is not None:
                        return program
                else:
                    self._signal(key.data)

    def _fork(self, request: dict[str, Any], fds: list[int]) -> Callable[[], None] | None:
        pid = os.fork()
        if pid == 0:
            self._close()
            return _become(request, fds)
        channel = socket.socket(fileno=fds.pop())
        for fd in fds:
            os.close(fd)
        self._channels[pid] = channel
        self._selector.register(channel, selectors.EVENT_READ, pid)
        _send(channel, {"pid": pid})
        return None

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for end in (self._control, self._bell, self._ringer, *self._channels.values()):
            end.close()

    def _signal(self, pid: int) -> None:
        channel = self._channels[pid]
        lines = channel.recv(65536).splitlines()
        for number, count, thread in map(json.loads, lines):
            for _ in range(count):
                _kill(pid, number, thread)  # not reaped yet: the pid is still the child's
        if not lines:  # the test has gone away
            self._selector.unregister(channel)
            os.kill(pid, signal.SIGKILL)

    def _kill_all(self) -> None:
        for pid in self._channels:
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid in list(self._channels):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                channel = self._channels.pop(pid)
                if channel.fileno() in self._selector.get_map():
                    self._selector.unregister(channel)
                _send(channel, {"status": os.waitstatus_to_exitcode(status)})
                channel.close()


def _kill(pid: int, number: int, thread: int | None) -> None:
    if thread is None:
        os.kill(pid, number)
        return
    tids = sorted(map(int, os.listdir(f"/proc/{pid}/task")))  # noqa: PTH208
    place = thread % len(tids)
    for tid in (*tids[place:], *tids[:place]):
        if ctypes.CDLL(None).tgkill(pid, tid, number) == 0:  # else it has just ended
            return


def _ring(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wakeup fd has the number."""


def _send(channel: socket.socket, message: dict[str, int]) -> None:
    try:
        channel.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        return  # the test has gone away


def _become(request: dict[str, Any], fds: list[int]) -> Callable[[], None]:
    """Make the fork equal to a fresh process with these streams."""
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for fd, place in zip(fds, (0, 1, 2, FACTS_FD), strict=False):
        os.dup2(fd, place, inheritable=place != FACTS_FD)
    for fd in fds:
        os.close(fd)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Line-buffered or not, readable or not: decided anew for these streams.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115

    def program() -> None:
        from tests.process import programs

        programs.PROGRAMS[request["program"]](**request["arguments"])

    return program


def tell(fact: str, **details: Any) -> None:
    """Report a fact to the test; called by a program."""
    line = json.dumps({"fact": fact, **details}) + "\n"
    os.write(FACTS_FD, line.encode())


def main() -> None:
    """Serve, and run the program in each child."""
    for module in _WARM:
        import_module(module)
    # No child collects what was imported: at its exit that would be most of its work.
    gc.collect()
    gc.freeze()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.send(b"warm")
    program = Server(control).serve()
    if program is not None:
        program()


if __name__ == "__main__":
    main()
