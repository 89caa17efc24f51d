"""Init: the parent of one command, with what PID 1 owes its children and a deadline that holds.

It passes signals on, ends what does not end, reaps the orphans that the kernel gives it, and ends
with the command's status. `python -m supervisor exec` starts a command under it. Where `run` is
PID 1 it splits in two: the parent stays as init, and the program is its child.

The choices:

- *All signals are blocked, and waited for.* Without a handler nothing is interrupted, nothing is
  lost between a look and a wait, and nothing runs while nothing happens. Only so does PID 1 get a
  signal that it has no handler for: the kernel drops one that is neither blocked nor handled.
- *The command has a process group of its own*, so that it can be killed with all that it has
  started, and our own group (a pipeline, a script) is left alone. Where we are in the foreground of
  a terminal, the command's group takes our place there: Ctrl-C reaches it from the terminal, once,
  and never from us (see `foreground`). When the command is stopped (Ctrl-Z), we stop as well, as
  the shell above us waits for that.
- *The keys start no clock.* Whoever sits there can press again, and an interactive command takes
  Ctrl-C for something else. A signal that a process has sent does start it: when its seconds are
  over, the group is killed.
- *Signals go to the command, not to its group.* A program that ends its helpers in order must not
  find them dead. Where the command is gone and has left others in its group (a shell does that),
  they get the signal next.

This module imports little, as `exec` starts with it; `adoption` leaves `ctypes` for later, when the
command is already running.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time

assert sys.platform != "win32"

from supervisor._process.adoption import adopt_orphans
from supervisor._process.foreground import Foreground
from supervisor._process.process_table import has_children, is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from typing import Final, NoReturn

_GUARD_WORD: Final = b"/supervisor/_signals/guard_main.py"  # of its command line
_GUARD_SECONDS: Final = 0.5
_FROM_KERNEL: Final = 0x80  # SI_KERNEL, the origin of what a terminal sends

# What no mask can hold back, or what reports a fault of our own.
_NOT_PASSED_ON: Final = frozenset(
    number
    for name in ["KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "TRAP", "SYS", "ABRT"]
    if (number := getattr(signal, f"SIG{name}", None)) is not None
)


class Init:
    """Looks after one child, from its start to its status.

    To be made before the child is started, in a process without threads: from then on it receives
    signals only in `wait()`.

    Args:
        kill_at: Called with a signal that a process has sent, and the `time.monotonic()` of its
            arrival. Returns when to kill the command, inf for never; None where the signal does not
            ask for an end.
    """

    def __init__(self, kill_at: Callable[[int, float], float | None]) -> None:
        self._kill_at = kill_at
        self._signals = set(signal.valid_signals()) - _NOT_PASSED_ON
        self._ignored = {n for n in self._signals if signal.getsignal(n) is signal.SIG_IGN}
        self._found_mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        # If it were ignored, the kernel would throw the status away.
        self._found_handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._foreground = Foreground()
        self._pid = 0
        self._wait_status: int | None = None
        self._is_stopped = False
        self._end_signal: int | None = None  # the first one that asked for an end
        self._was_group_signalled = False
        self._deadline = math.inf
        self._is_killed = False

    # -- the start ----------------------------------------------------------------------------

    def spawn(self, command: Sequence[str]) -> None:
        """Start a command, which `PATH` is searched for.

        Raises:
            OSError: It cannot be started.
        """
        self._pid = os.posix_spawnp(
            command[0],
            list(command),
            os.environ,
            setpgroup=0,
            setsigmask=self._found_mask,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores, for itself
        )
        self._foreground.hand_over(self._pid, in_pipeline=False)

    def fork(self) -> bool:
        """Fork; return whether this is the child, which goes on with signals as they were."""
        self._pid = os.fork()
        is_child = self._pid == 0
        if is_child:
            os.setpgid(0, 0)
            self._pid = os.getpid()
        self._foreground.hand_over(self._pid, in_pipeline=False)
        if is_child:
            if self._found_handler is not None:  # None: set by C code, which Python cannot name
                signal.signal(signal.SIGCHLD, self._found_handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._found_mask)
        return is_child

    # -- the wait -----------------------------------------------------------------------------

    def wait(self) -> int:
        """Do a parent's work until the command has ended; return its wait status."""
        adopt_orphans()
        while self._wait_status is None or self._is_group_left():
            number, is_key = _next_signal(self._signals, self._deadline)
            if number is None:
                self._kill()
            elif number == signal.SIGCHLD:
                self._reap()
            elif number not in (signal.SIGTTIN, signal.SIGTTOU):
                self._pass_on(number, is_key=is_key)
        self._foreground.take_back(self._pid)
        if os.getpid() == 1:
            _wait_for_guards()
        return self._wait_status

    def _pass_on(self, number: int, *, is_key: bool) -> None:
        if is_key or self._wait_status is not None:
            self._send_group(number)
        else:
            os.kill(self._pid, number)
        if is_key or number in self._ignored:
            return
        deadline = self._kill_at(number, time.monotonic())
        if deadline is None:
            return
        self._end_signal = self._end_signal or number
        self._deadline = min(self._deadline, deadline)
        if self._is_stopped:
            self._send_group(signal.SIGCONT)  # a stopped process acts on nothing else

    def _kill(self) -> None:
        self._deadline, self._is_killed = math.inf, True
        self._send_group(signal.SIGKILL)
        if self._wait_status is None:  # it may have left its group
            os.kill(self._pid, signal.SIGKILL)

    def _reap(self) -> None:
        while (found := _wait_for_any()) is not None:
            pid, status = found
            if pid != self._pid:
                continue
            self._is_stopped = os.WIFSTOPPED(status)
            if self._is_stopped and self._end_signal is not None:
                self._send_group(signal.SIGCONT)
            elif self._is_stopped:
                self._stop_with_it(os.WSTOPSIG(status))
            elif not os.WIFCONTINUED(status):
                self._wait_status = status

    def _is_group_left(self) -> bool:
        """Return whether the command has left others in its group that have to be ended."""
        if self._end_signal is None or self._is_killed or not self._send_group(0):
            return False
        if not self._was_group_signalled:
            self._was_group_signalled = True
            self._send_group(self._end_signal)
            self._send_group(signal.SIGCONT)
        return has_children()  # without any, no signal would say when the group is empty

    def _send_group(self, number: int) -> bool:
        """Signal the group; return whether there is one."""
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):  # gone; all of it is another user's
            return False
        return True

    def _stop_with_it(self, number: int) -> None:
        """Give the stopped command the terminal if it wants that; else stop as well."""
        wants = number in (signal.SIGTTIN, signal.SIGTTOU)
        if wants and self._foreground.hand_over(self._pid, in_pipeline=True):
            self._send_group(signal.SIGCONT)
            return
        if not self._foreground.has_terminal or os.getpid() in (1, os.getsid(0)):
            return  # nobody above us would ever let us go on
        had_terminal = self._foreground.is_held_by(self._pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number} - _NOT_PASSED_ON)
        os.killpg(0, number)
        # Here the shell has let us go on, in the foreground or not.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        if had_terminal:
            self._foreground.hand_over(self._pid, in_pipeline=True)
        self._send_group(signal.SIGCONT)


def _wait_for_guards() -> None:
    """Let the guard of a process that was killed do what is left to do: with PID 1 it ends too.

    It has lost its parent, so it is a child of ours. A few milliseconds are enough for it.
    """
    deadline = time.monotonic() + _GUARD_SECONDS
    guards = {int(pid) for pid in _pids() if _is_guard(pid)}
    while guards and time.monotonic() < deadline:
        found = _wait_for_any()
        if found is not None:
            guards.discard(found[0])
        else:
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, deadline - time.monotonic()))


def _pids() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()] if is_own() else []  # noqa: PTH208


def _is_guard(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as words:  # noqa: PTH123
            return _GUARD_WORD in words.read()
    except OSError:  # it has ended
        return False


def split(kill_at: Callable[[int, float], float | None]) -> None:
    """Go on as a child of this process, which stays as its parent and ends as it ends.

    Args:
        kill_at: As for `Init`.
    """
    init = Init(kill_at)
    if not init.fork():
        exit_as(init.wait())


def obstacle() -> str | None:
    """Return what keeps this process from splitting; None where nothing does.

    A fork has none of the other threads, and what they held stays locked; and it cannot wait for
    its parent's children.
    """
    import threading

    tasks = "/proc/self/task"  # C code's threads too
    if (len(os.listdir(tasks)) if os.path.isdir(tasks) else threading.active_count()) > 1:  # noqa: PTH112, PTH208
        return "other threads run already"
    return "it has started other processes" if has_children() else None


def exit_as(wait_status: int) -> NoReturn:
    """End this process as another one has ended: with its exit status, or by its signal.

    PID 1 cannot die by a signal of its own; there the status is 128 + its number. No `atexit`
    handlers, no flush: those are the command's.
    """
    if not os.WIFSIGNALED(wait_status):
        os._exit(os.WEXITSTATUS(wait_status))
    number = os.WTERMSIG(wait_status)
    if os.getpid() != 1:
        _die_by(number)
    os._exit(128 + number)


def _die_by(number: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core was written, or none was wanted
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def _next_signal(numbers: AbstractSet[int], deadline: float) -> tuple[int | None, bool]:
    """Wait; return a signal, or None at the deadline, and whether a terminal's key sent it."""
    if not hasattr(signal, "sigtimedwait"):
        return _next_signal_by_alarm(numbers, deadline), False
    if deadline == math.inf:
        info = signal.sigwaitinfo(numbers)
    else:
        found = signal.sigtimedwait(numbers, max(0.0, deadline - time.monotonic()))
        if found is None:
            return None, False
        info = found
    return info.si_signo, info.si_code == _FROM_KERNEL


def _next_signal_by_alarm(numbers: AbstractSet[int], deadline: float) -> int | None:
    """Do the same on macOS, whose `sigwait` has no time limit."""
    if deadline < math.inf:
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, deadline - time.monotonic()))
    number = signal.sigwait(numbers)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if number == signal.SIGALRM and time.monotonic() >= deadline:
        return None
    return number


def _wait_for_any() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None
