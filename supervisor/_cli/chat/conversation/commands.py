"""The lines of a conversation that are commands, and what they are called."""

from __future__ import annotations

import difflib
from typing import Final

COMMANDS: Final = {
    "stop": "stop the answer, as Ctrl-C does",
    "undo": "take the last exchange back",
    "reset": "begin anew; /undo takes that back",
    "save": "[FILE]  save the conversation now, or into a file of its own",
    "load": "FILE  go on with a conversation that was saved into a file",
    "state": "show what this conversation is and where it is kept",
    "exit": "leave, as Ctrl-D does; /quit is the same",
    "help": "show this",
}
"""The commands, and what each does; an argument stands before two spaces."""

_KEYS: Final = (
    "  Ctrl-C, Esc   stop the answer; Ctrl-C at an empty prompt says how to leave",
    "  Enter         on an empty line: goes on; while it answers, sends what is queued soon",
    "  Up            what you typed before, and what was not sent",
    "  Ctrl-D        leave",
)

_TAKE_AN_ARGUMENT: Final = frozenset({"save", "load"})


def is_command(line: str) -> bool:
    """Return whether what was typed is a command: one line that begins with one slash."""
    return line.startswith("/") and not line.startswith("//") and "\n" not in line.strip()


def leaves(line: str) -> bool:
    """Return whether what was typed is the command that leaves."""
    return line.lower() in ("/exit", "/quit")


def words_of(line: str) -> str:
    """Return what was typed as words for the team; a second slash at its begin is taken away."""
    return line[1:] if line.startswith("//") else line


def as_typed(words: str) -> str:
    """Return words for the team as they are typed; `words_of` of it is the words again."""
    return f"/{words}" if words.startswith("/") else words


def parse(line: str) -> tuple[str, str]:
    """Split a command into its name and its argument.

    Raises:
        ValueError: There is no such command, or it is used in another way; the text says so.
    """
    name, _, argument = line.strip().removeprefix("/").partition(" ")
    name, argument = name.lower(), argument.strip()
    if name not in COMMANDS:
        raise ValueError(_unknown(name))
    if argument and name not in _TAKE_AN_ARGUMENT:
        raise ValueError(f"/{name} takes nothing behind it; type /{name} alone.")
    if name == "load" and not argument:
        raise ValueError("/load needs a file: /load FILE.")
    return name, argument


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean /{close[0]}?" if close else "/help lists them."
    return f"There is no command /{name}; {hint} Text that begins with a slash begins with two."


def help_text() -> str:
    """Return the list of the commands."""
    rows = [_row(name, what) for name, what in COMMANDS.items()]
    return "\n".join([*rows, f"  {'//text':14}send text that begins with a slash", *_KEYS])


def _row(name: str, what: str) -> str:
    argument, gap, said = what.partition("  ")
    if not gap:
        argument, said = "", what
    return f"  {f'/{name} {argument}':14}{said}"
