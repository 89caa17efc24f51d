"""The parent of one command: what PID 1 owes its children, and a deadline that they cannot miss.

It passes signals on, ends what does not end, reaps the orphans that fall to it, and gives the
command's status as its own. `python -m supervisor exec` starts a command under it; `run`, where it
is PID 1, splits in two: the parent stays, and the program is its child.

The choices:

- *All signals are blocked, and waited for.* No handler, so nothing is interrupted, nothing is lost
  between a look and a wait, and nothing runs while nothing happens. PID 1 gets a signal without a
  handler only so: the kernel drops one that is neither blocked nor handled.
- *The command has a process group of its own*, so that it can be killed with all that it has
  started, and our own group (a pipeline, a script) is left alone. Where we are in the foreground of
  a terminal, the command's group is put there instead of ours: Ctrl-C reaches it from the terminal,
  once, and never from us. In a pipeline we keep the foreground, for the others of our group, and
  pass the keys on; a command that wants to read the terminal gets it when it asks. When it is
  stopped (Ctrl-Z) we stop as well, as the shell above us waits for that.
- *The keys start no clock*: who sits there can press again, and an interactive command takes Ctrl-C
  for something else. A signal that somebody has sent does: when its seconds are over the group is
  killed.
- *Signals go to the command, not to its group*: a program that ends its helpers in order must not
  find them dead. Where the command is gone and has left others in its group (a shell does that),
  they are asked next.

This module imports little, as it is what `exec` starts with; it leaves `ctypes` for later, where
the command runs already.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from typing import Final, NoReturn

_FROM_KERNEL: Final = 0x80  # SI_KERNEL, the origin of what a terminal sends
_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER
_IS_SUBREAPER: Final = 37  # PR_GET_CHILD_SUBREAPER

# What no mask can hold back, or what tells of a fault of our own.
_NOT_OURS: Final = frozenset(
    number
    for name in ["KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "TRAP", "SYS", "ABRT"]
    if (number := getattr(signal, f"SIG{name}", None)) is not None
)


class Init:
    """Looks after one child, from its start to its status.

    To be made before the child is started, in a process without threads: from here on it hears
    signals only in `until_over()`.

    Args:
        clock: Called with a signal that somebody has sent, and the `time.monotonic()` of its
            arrival. Returns when to kill the command, inf for never; None where the signal does
            not ask for an end.
    """

    def __init__(self, clock: Callable[[int, float], float | None]) -> None:
        self._clock = clock
        self._ours = set(signal.valid_signals()) - _NOT_OURS
        self._ignored = {n for n in self._ours if signal.getsignal(n) is signal.SIG_IGN}
        self._found_mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._ours)
        # Were it ignored, the kernel would throw the status away.
        self._found_handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._terminal = _terminal()
        self._pid = 0
        self._wait_status: int | None = None
        self._is_stopped = False
        self._asked: int | None = None
        self._has_asked_group = False
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
        self._hand_over(eagerly=True)

    def fork(self) -> bool:
        """Fork; returns whether this is the child, which goes on with signals as they were."""
        self._pid = os.fork()
        is_child = self._pid == 0
        if is_child:
            os.setpgid(0, 0)
            self._pid = os.getpid()
        self._hand_over(eagerly=True)
        if is_child:
            if self._found_handler is not None:  # None: set by C code, which Python cannot name
                signal.signal(signal.SIGCHLD, self._found_handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._found_mask)
        return is_child

    # -- the wait -----------------------------------------------------------------------------

    def until_over(self) -> int:
        """Do a parent's work until the command has ended; returns its wait status."""
        adopt_orphans()
        while self._wait_status is None or self._is_left_behind():
            number, is_key = _next_signal(self._ours, self._deadline)
            if number is None:
                self._kill()
            elif number == signal.SIGCHLD:
                self._reap()
            elif number not in (signal.SIGTTIN, signal.SIGTTOU):
                self._pass_on(number, is_key=is_key)
        self._take_back()
        return self._wait_status

    def _pass_on(self, number: int, *, is_key: bool) -> None:
        if is_key or self._wait_status is not None:
            self._send_group(number)
        else:
            os.kill(self._pid, number)
        if is_key or number in self._ignored:
            return
        deadline = self._clock(number, time.monotonic())
        if deadline is None:
            return
        self._asked = self._asked or number
        self._deadline = min(self._deadline, deadline)
        if self._is_stopped:
            self._send_group(signal.SIGCONT)  # a stopped process hears nothing else

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
            if self._is_stopped and self._asked is not None:
                self._send_group(signal.SIGCONT)
            elif self._is_stopped:
                self._stop_with_it(os.WSTOPSIG(status))
            elif not os.WIFCONTINUED(status):
                self._wait_status = status

    def _is_left_behind(self) -> bool:
        """Whether the command has left others in its group who have to be ended."""
        if self._asked is None or self._is_killed or not self._send_group(0):
            return False
        if not self._has_asked_group:
            self._has_asked_group = True
            self._send_group(self._asked)
            self._send_group(signal.SIGCONT)
        return _has_children()  # without any, no signal would tell when the group is empty

    def _send_group(self, number: int) -> bool:
        """Signal the group; returns whether there is one."""
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):  # gone; all of it is another user's
            return False
        return True

    # -- the terminal -------------------------------------------------------------------------

    def _hand_over(self, *, eagerly: bool) -> bool:
        """Put the command's group into the foreground in place of ours; returns whether it is."""
        if self._terminal is None or not _is_foreground(self._terminal):
            return False
        if eagerly and not (os.isatty(0) and os.isatty(1)):
            return False  # others of a pipeline may want it
        try:
            os.tcsetpgrp(self._terminal, self._pid)
        except OSError:  # it has ended already, or the terminal has
            return False
        return True

    def _take_back(self) -> None:
        if self._terminal is None:
            return
        try:
            if os.tcgetpgrp(self._terminal) == self._pid:
                os.tcsetpgrp(self._terminal, os.getpgrp())
        except OSError:
            return  # hung up

    def _stop_with_it(self, number: int) -> None:
        """The command was stopped: give it the terminal if it wants that, else stop as well."""
        wants = number in (signal.SIGTTIN, signal.SIGTTOU)
        if wants and self._hand_over(eagerly=False):
            self._send_group(signal.SIGCONT)
            return
        if self._terminal is None or os.getpid() in (1, os.getsid(0)):
            return  # nobody above us would ever let us go on
        had_terminal = os.tcgetpgrp(self._terminal) == self._pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number} - _NOT_OURS)
        os.killpg(0, number)
        # Here the shell has let us go on, in the foreground or not.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._ours)
        if had_terminal:
            self._hand_over(eagerly=False)
        self._send_group(signal.SIGCONT)


def split(clock: Callable[[int, float], float | None]) -> None:
    """Go on as a child of this process, which stays as its parent and ends as it ends.

    Args:
        clock: As of `Init`.
    """
    parent = Init(clock)
    if not parent.fork():
        exit_as(parent.until_over())


def obstacle() -> str | None:
    """What keeps this process from splitting; None where nothing does.

    A fork has none of the other threads, and what they held stays locked; and it cannot wait for
    its parent's children.
    """
    import threading

    tasks = "/proc/self/task"  # C code's threads too
    if (len(os.listdir(tasks)) if os.path.isdir(tasks) else threading.active_count()) > 1:  # noqa: PTH112, PTH208
        return "other threads run already"
    return "it has started other processes" if _has_children() else None


def adopt_orphans(*, on: bool = True) -> bool:
    """Have the kernel give us the orphans of our children, or not any more; whether it does.

    PID 1 gets them in any case.
    """
    if os.getpid() == 1:
        return True
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_SUBREAPER, int(on), 0, 0, 0) == 0) and on
    except (ImportError, OSError, AttributeError):  # a Python without it
        return False


def adopts_orphans() -> bool:
    """Whether the kernel gives us the orphans of our children already."""
    if os.getpid() == 1:
        return True
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        found = ctypes.c_int(0)
        is_told = ctypes.CDLL(None).prctl(_IS_SUBREAPER, ctypes.byref(found), 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        return False
    return is_told and bool(found.value)


def exit_as(wait_status: int) -> NoReturn:
    """End this process as another one has ended: with its exit status, or by its signal.

    PID 1 cannot die by a signal of its own; there it is 128 + its number. No `atexit` handlers, no
    flush: those are the command's.
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
    """Wait; returns a signal, or None at the deadline, and whether a terminal's key has sent it."""
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
    """The same for macOS, whose `sigwait` has no time limit."""
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


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _terminal() -> int | None:
    """The fd of the terminal that controls our session; None where there is none."""
    for fd in (0, 1, 2):
        try:
            os.tcgetpgrp(fd)
        except OSError:
            continue
        return fd
    return None


def _is_foreground(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
