"""Measure what coverage.py cannot by itself: a plugin of it, which pyproject.toml names.

Three kinds of processes would count as never run, or only in part:

- *Those that have much to do after the `atexit` handlers*, by one of which coverage.py saves. Here
  they are measured to the interpreter's own end, or to the signal of their own that they die by.
- *Those that have a deadline.* Coverage.py writes a database, which can take a second. Here a child
  process writes one small file, and `python -m tests.coverage_plugin` makes the database of all.
- *Interpreters in isolation* (`-I -S`): the guard and the final sweep. They read no environment and
  no `.pth` file, so coverage.py does not start in them. Here their first line starts it.

What is killed from outside writes nothing, whatever one does.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import marshal
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import coverage
from coverage.plugin_support import Plugins

_ROOT: Final = Path(__file__).parents[1]
_CHILDREN: Final = _ROOT / ".coverage-children"
_CONFIG: Final = "COVERAGE_PROCESS_CONFIG"  # what coverage.py's `patch = subprocess` sets
_ISOLATED: Final = ["-I", "-S", "-c"]
_START: Final = """
import os, sys
sys.path += {paths!r}
os.environ[{name!r}] = {config!r}
import coverage
coverage.process_startup()
del os.environ[{name!r}], sys.path[-{count}:]
"""
_NOT_DEADLY: Final = ["CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "WINCH"]
_HARMLESS: Final = {0, *(getattr(signal, f"SIG{name}", 0) for name in _NOT_DEADLY)}


def coverage_init(reg: Plugins, options: dict[str, str]) -> None:
    """Wrap what ends and starts processes; coverage.py calls this at each of its starts."""
    if sys.platform == "win32" or hasattr(os.kill, "__wrapped__"):
        return
    if _CONFIG in os.environ:  # a child process, or one of the processes that run tests
        setattr(coverage.Coverage, "save", _save_as_child)  # noqa: B010
        setattr(coverage.Coverage, "_atexit", _save_at_exit)  # noqa: B010
    os.kill = _saving(os.kill, lambda pid: pid == os.getpid())
    os.killpg = _saving(os.killpg, lambda group: group in (0, os.getpgrp()))
    signal.pthread_kill = _saving(signal.pthread_kill, lambda thread: True)
    signal.raise_signal = _saving(signal.raise_signal)
    setattr(atexit, "_run_exitfuncs", _saving_later(getattr(atexit, "_run_exitfuncs")))  # noqa: B009, B010
    os.posix_spawn = _measuring(os.posix_spawn)
    os.execv = _measuring(os.execv)


def _saving(send: Any, reaches_us: Callable[[int], bool] | None = None) -> Any:
    """Return a function that sends a signal, and saves before if that ends this process."""

    def save_and_send(*words: int) -> Any:
        if (reaches_us is None or reaches_us(words[0])) and _ends_us(words[-1]):
            measured = coverage.Coverage.current()
            if measured is not None:
                with contextlib.suppress(Exception):
                    measured.save()
        return send(*words)

    save_and_send.__wrapped__ = send  # type: ignore[attr-defined]
    return save_and_send


def _saving_later(call_handlers: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls the `atexit` handlers, and has what comes after them saved."""

    def call_handlers_and_register() -> None:
        call_handlers()
        measured = coverage.Coverage.current()
        if measured is not None:
            atexit.register(measured.save)

    return call_handlers_and_register


def _ends_us(number: int) -> bool:
    if number in _HARMLESS:
        return False
    return number == signal.SIGKILL or signal.getsignal(number) == signal.SIG_DFL


def _measuring(start: Any) -> Any:
    """Return a function that starts a program, in which an isolated interpreter is measured."""

    def start_measured(path: Any, args: Sequence[Any], *others: Any, **more: Any) -> Any:
        words, config = list(args), os.environ.get(_CONFIG)
        if words[1:4] == _ISOLATED and config is not None:
            paths = [str(Path(coverage.__file__).parents[1]), str(_ROOT)]
            words[4] = _START.format(paths=paths, name=_CONFIG, config=config, count=2) + words[4]
        return start(path, words, *others, **more)

    return start_measured


# -- what child processes write -----------------------------------------------------------------


def _save_at_exit(measured: Any, event: str = "") -> None:
    """Save, and go on measuring; coverage.py registers this with `atexit`."""
    _save_as_child(measured)


def _save_as_child(measured: Any) -> None:
    """Write which steps from line to line were made, in the quickest way."""
    found = {file: sorted(arcs.copy()) for file, arcs in measured._collector.data.copy().items()}
    data = marshal.dumps(found)
    name = hashlib.sha256(data).hexdigest()  # the same steps make the same file
    with contextlib.suppress(OSError):
        _CHILDREN.mkdir(exist_ok=True)
        unfinished = _CHILDREN / f"{name}.{os.getpid()}"
        unfinished.write_bytes(data)
        unfinished.replace(_CHILDREN / name)


def main() -> None:
    """Make a database of what child processes have written, for `coverage combine`."""
    found: defaultdict[str, set[Any]] = defaultdict(set)
    for path in _CHILDREN.glob("*"):  # none, where no child process was measured
        if not path.suffix:
            for file, arcs in marshal.loads(path.read_bytes()).items():
                found[file].update(arcs)
    data = coverage.CoverageData(str(_ROOT / ".coverage.children"))
    steps = {file: [_unpacked(arc) for arc in arcs] for file, arcs in found.items()}
    # Tests run code of their own as if it were in a file of the package.
    data.add_arcs({file: arcs for file, arcs in steps.items() if Path(file).exists()})
    data.write()


def _unpacked(arc: Any) -> tuple[int, int]:
    """Return the two lines of a step, which coverage.py's C code has as one number."""
    if not isinstance(arc, int):
        return tuple(arc)
    first, second = arc & 0xFFFFFFF, arc >> 28 & 0xFFFFFFF
    return (-first if arc >> 56 & 1 else first, -second if arc >> 57 & 1 else second)


if __name__ == "__main__":
    main()
