"""What a test must leave as it found it: signals, the wakeup fd, hooks, threads, child processes.

Both levels of a signal's handler are compared, Python's and the kernel's (the masks in
/proc/self/status, where there is one): uvloop binds handlers of which `signal.getsignal` knows
nothing. Something on its way out gets a second to go; what then remains is named.

Open files and the switch interval are compared where a test asks for the whole: much that is used
for the first time opens a file for the life of the process, the library's wakeup fd among it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

# The library's own daemon threads for the life of the process: from the first report, or stop, on.
LASTING_THREADS = frozenset({"supervisor-log", "supervisor-stderr", "supervisor-end"})
# pytest-timeout's alarm: it comes and goes around the phases of a test.
HARNESS_SIGNALS = frozenset({signal.SIGALRM})


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of the process at one moment."""

    handlers: dict[signal.Signals, object]
    kernel_masks: dict[str, int]
    blocked: frozenset[int]
    wakeup_fd: int
    hooks: tuple[object, ...]
    threads: frozenset[threading.Thread]
    children: frozenset[psutil.Process]
    switch_interval: float | None
    files: frozenset[str] | None

    @classmethod
    def take(cls, *, whole: bool = False) -> Snapshot:
        """Read the state now; in the main thread only."""
        return cls(
            handlers={number: signal.getsignal(number) for number in _all_signals()},
            kernel_masks=_kernel_masks(),
            blocked=frozenset(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            wakeup_fd=_wakeup_fd(),
            hooks=_hooks(),
            threads=frozenset(threading.enumerate()),
            children=_descendants(),
            switch_interval=sys.getswitchinterval() if whole else None,
            files=_open_files() if whole else None,
        )

    def changes(self, *, grace: float = 1.0) -> list[str]:
        """Names what differs now; threads and grandchildren have `grace` seconds to go."""
        threads = _threads_left(self.threads, grace)
        children = _children_left(self.children, grace)
        now = Snapshot.take(whole=self.files is not None)
        return [
            *(
                f"handler of {number!r}: {found!r} became {now.handlers[number]!r}"
                for number, found in self.handlers.items()
                if now.handlers[number] is not found
            ),
            *(
                f"the kernel's {name}: {mask:x} became {now.kernel_masks[name]:x}"
                for name, mask in self.kernel_masks.items()
                if now.kernel_masks[name] != mask
            ),
            *_difference("blocked signals", self.blocked, now.blocked),
            *_difference("wakeup fd", self.wakeup_fd, now.wakeup_fd),
            *_difference("switch interval", self.switch_interval, now.switch_interval),
            *_difference("hooks", self.hooks, now.hooks),
            *(f"file left: {file}" for file in sorted(_all(now.files) - _all(self.files))),
            *(f"file closed: {file}" for file in sorted(_all(self.files) - _all(now.files))),
            *(f"thread left: {thread!r}" for thread in threads),
            *(f"child process left: {child!r}" for child in children),
        ]


def _difference(what: str, found: object, now: object) -> list[str]:
    return [] if now == found else [f"{what}: {found!r} became {now!r}"]


def _all(files: frozenset[str] | None) -> frozenset[str]:
    return files if files is not None else frozenset()


def _all_signals() -> list[signal.Signals]:
    return sorted(signal.valid_signals() - HARNESS_SIGNALS)


def _kernel_masks() -> dict[str, int]:
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    # glibc keeps 32 and 33 to itself, and handles them from the process's first thread on.
    harness = sum(1 << (number - 1) for number in {*HARNESS_SIGNALS, 32, 33})
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return {name: int(lines[name], 16) & ~harness for name in ("SigIgn", "SigCgt")}


def _wakeup_fd() -> int:
    # There is no getter: take it out, and put it back.
    fd = signal.set_wakeup_fd(-1)
    if fd != -1:
        signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def _hooks() -> tuple[object, ...]:
    return (
        sys.excepthook,
        sys.unraisablehook,
        threading.excepthook,
        sys.gettrace(),
        *sys.get_asyncgen_hooks(),
    )


def _open_files() -> frozenset[str]:
    entries = Path("/proc/self/fd")
    found = list(entries.iterdir()) if entries.exists() else []
    # The one by which the folder itself was read is closed by now.
    return frozenset(f"{e.name} {e.readlink()}" for e in found if os.path.lexists(e))


def _threads_left(found: frozenset[threading.Thread], grace: float) -> list[threading.Thread]:
    new = [
        thread
        for thread in threading.enumerate()
        if thread not in found
        and thread.name not in LASTING_THREADS
        # One that C code has started, as gRPC's: Python does not learn of its end.
        and not thread.name.startswith("Dummy-")
    ]
    for thread in new:
        with contextlib.suppress(RuntimeError):
            thread.join(grace)
    return [thread for thread in new if thread.is_alive()]


def _children_left(found: frozenset[psutil.Process], grace: float) -> list[psutil.Process]:
    new = _descendants() - found
    if not new:
        return []
    # Waiting for a child of ours would reap it, and hide that the test did not.
    direct = new.intersection(psutil.Process().children())
    _, alive = psutil.wait_procs(new - direct, timeout=grace)
    return sorted(direct.union(alive), key=lambda child: child.pid)


def _descendants() -> frozenset[psutil.Process]:
    """Return the descendants of this process, including zombies."""
    if not Path("/proc/thread-self/children").exists():
        return frozenset(psutil.Process().children(recursive=True))
    # psutil reads the whole process table, and this is asked twice for every test.
    found: list[psutil.Process] = []
    parents = [os.getpid()]
    while parents:
        pids = _children_of(parents.pop())
        parents += pids
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
    return frozenset(found)


def _children_of(pid: int) -> list[int]:
    children: list[int] = []
    # A process, or one of its threads, may end meanwhile.
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - the fastest way
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:  # noqa: PTH123
                children += map(int, file.read().split())
    return children
