"""The command line: `python -m supervisor exec [--grace SECONDS] -- COMMAND [ARGUMENT ...]`.

Not chosen: argparse. Importing it would take longer than everything else at the start.
"""

from __future__ import annotations

import math
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, NoReturn

_USAGE: Final = "usage: python -m supervisor exec [--grace SECONDS] [--] COMMAND [ARGUMENT ...]"
_HELP: Final = f"""{_USAGE}

Run a command as the only child of a small parent, which may be PID 1 of a container.

Signals are passed on to it. SIGTERM, SIGINT and SIGQUIT start a clock: when the grace is over, the
command's process group is killed. Orphans are reaped. The status is the command's own: its exit
status, or death by its signal (128 + n as PID 1).

  --grace SECONDS  seconds from the first such signal to the kill, or "off" for no kill
                   (SUPERVISOR_GRACE + 1, or 9: one second more than a supervised program takes)

Other statuses: 125 wrong command line, 126 the command cannot be run, 127 it was not found.
"""

# The conventions of env, nohup and timeout.
_MISUSED: Final = 125
_CANNOT_RUN: Final = 126
_NOT_FOUND: Final = 127

_RESERVE: Final = 1.0  # seconds for a supervised program to end itself before it is killed
_GRACE: Final = 8.0 + _RESERVE
_ASKING_ON_WINDOWS: Final = ("SIGINT", "SIGBREAK", "SIGTERM")
_VARIABLE: Final = "SUPERVISOR_GRACE"  # as in `settings`, which is slow to import


def main(arguments: Sequence[str]) -> NoReturn:
    """Do what the words behind `exec` say, and end the process."""
    grace, command = _parse(list(arguments))
    execute(command, grace)


def execute(command: Sequence[str], grace: float) -> NoReturn:
    """Run a command, and end with its status.

    Args:
        command: The program and its arguments.
        grace: Seconds between the first signal that asks it to end and the kill; inf: no kill.
    """
    if sys.platform == "win32":
        _execute_on_windows(command, grace)
    import signal

    from supervisor._process import init

    asking = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

    def deadline(number: int, now: float) -> float | None:
        return now + grace if number in asking else None

    parent = init.Init(deadline)
    try:
        parent.spawn(command)
    except (OSError, ValueError) as error:
        _cannot_run(command, error)
    init.exit_as(parent.wait())


def _execute_on_windows(command: Sequence[str], grace: float) -> NoReturn:
    import signal

    from supervisor._process import group_parent

    try:
        child = group_parent.start(command)
    except (OSError, ValueError) as error:
        _cannot_run(command, error)
    asking = [number for name in _ASKING_ON_WINDOWS if (number := getattr(signal, name, None))]
    sent = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
    sys.exit(group_parent.look_after(child, asked_by=asking, sent=sent, grace=grace))


def _cannot_run(command: Sequence[str], error: OSError | ValueError) -> NoReturn:
    _say(f"cannot run {command[0]!r}: {_why(error)}")
    sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN)


def _parse(arguments: list[str]) -> tuple[float, list[str]]:
    """Split `[--grace SECONDS] [--] COMMAND ...`."""
    given = os.environ.get(_VARIABLE, "").strip()
    grace = _seconds(given, _VARIABLE, _RESERVE) if given else _GRACE
    while arguments and arguments[0].startswith("-"):
        option, is_joined, value = arguments.pop(0).partition("=")
        if option == "--":
            break
        if option in ("-h", "--help"):
            sys.stdout.write(_HELP)
            sys.exit(0)
        if option != "--grace":
            _refuse(f"there is no option {option!r}; put -- before a command that begins with -")
        if not is_joined:
            value = arguments.pop(0) if arguments else ""
        grace = _seconds(value, "--grace")
    if not arguments or not arguments[0]:
        _refuse("no command was given; put it behind --")
    return grace, arguments


def _seconds(value: str, where: str, more: float = 0.0) -> float:
    if value.lower() == "off":
        return math.inf
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:  # NaN too
        _refuse(f"{value!r} is not valid for {where}; give seconds, 0 or more, or off")
    return seconds + more


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file, neither it nor the interpreter that its first line names"
    return getattr(error, "strerror", None) or str(error)


def _refuse(why: str) -> NoReturn:
    _say(f"{why}\n{_USAGE}")
    sys.exit(_MISUSED)


def _say(text: str) -> None:
    sys.stderr.write(f"supervisor: {text}\n")
