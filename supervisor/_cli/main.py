"""The command line's first word: each command is a module, imported when it is called.

`autogen-supervisor COMMAND ...` and `python -m supervisor COMMAND ...` are the same.

Not chosen: one argparse parser for all commands. `exec` is PID 1 in containers, and importing
argparse would take longer than everything else at its start.
"""

from __future__ import annotations

import sys

from supervisor._cli.errors import CommandError
from supervisor._process.standard_streams import let_go_of_unwritable, write_stderr
from supervisor._process_manager import refuse_process_manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, NoReturn

COMMANDS: Final = {
    "run": "run a team, an agent, a team file or a program, so that it can be stopped",
    "chat": "converse with a team or an agent",
    "runs": "list the runs that are kept in a store",
    "show": "show a run that is kept: its messages, its calls, and who has it",
    "cancel": "cancel runs that are kept, wherever they are at work",
    "forget": "remove runs from a store",
    "work": "carry kept runs on, as one of a fleet",
    "submit": "put a run into the queue of a fleet",
    "retry": "have a run tried again that is at rest",
    "check": "say what would keep a program from stopping in order, before it is deployed",
    "exec": "run a command as the only child of a small parent, which may be PID 1",
}
"""The commands, and what each does. `_cli/NAME.py` or `_cli/NAME/` has its `main(arguments)`."""

_USAGE: Final = "usage: autogen-supervisor COMMAND ..."
_MISUSED: Final = 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Do what the command line says, and end the process.

    Args:
        arguments: The words behind the program's name; None: those of the process.
    """
    words = list(arguments or ())
    if arguments is None:
        words = sys.argv[1:]
        _leave_first_folder()
    try:
        refuse_process_manager()
    except ImportError as error:
        _say(f"{error}")
        sys.exit(_MISUSED)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        sys.exit(0 if words else _MISUSED)
    if words[0] == "--version":
        from supervisor import __version__

        sys.stdout.write(f"autogen-supervisor {__version__}\n")
        sys.exit(0)
    if words[0] not in COMMANDS:
        _say(f"there is no command {words[0]!r}; {_choices()}")
        sys.exit(_MISUSED)
    _call(words[0], words[1:])
    sys.exit(0)


def _call(command: str, words: Sequence[str]) -> None:
    from importlib import import_module

    try:
        import_module(f"supervisor._cli.{command}").main(words)
    except CommandError as error:
        _say(f"{error}")
        sys.exit(error.status)
    except KeyboardInterrupt:
        # In a slow import, before any event loop: Python dies by SIGINT, but shows a traceback.
        sys.excepthook = _show_nothing
        raise


def _say(line: str) -> None:
    write_stderr(f"supervisor: {line}\n")
    let_go_of_unwritable()


def _leave_first_folder() -> None:
    """Import nothing from the current folder, or from that of the command (see `search_path`)."""
    if not sys.flags.safe_path and sys.path:
        del sys.path[0]


def _show_nothing(*_: object) -> None:
    """Show no traceback."""


def _choices() -> str:
    return "the commands are " + ", ".join(COMMANDS)


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "".join(f"  {name:{width}}  {what}\n" for name, what in COMMANDS.items())
    more = "`autogen-supervisor COMMAND --help` describes one; `--version` prints the version."
    return f"{_USAGE}\n\n{rows}\n{more}\n"
