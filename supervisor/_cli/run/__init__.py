"""`run TARGET`: run a team, a team file or a program, so that it can be stopped."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `run` say."""
    from supervisor._cli.run.command_line import read

    command = read(arguments)
    if command.target.kind == "program":
        from importlib import import_module

        program = import_module("supervisor._cli.program")
        program.main(command.target, command.words, command.settings)
        return
    from supervisor._cli.run.session import run

    run(command)
