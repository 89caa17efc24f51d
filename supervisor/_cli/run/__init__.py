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
        from supervisor._cli import program

        program.main(command.target, command.words, command.settings)
    import os

    from supervisor._cli import options
    from supervisor._cli.run.loading import Loading
    from supervisor._process.standard_streams import fill_closed

    fill_closed()
    options.install(command.settings)
    loading = Loading(command)
    # At once, so that an error does not wait for what only a run needs. Not where a program is told
    # of errors, too; and not as PID 1, which splits in two before there can be threads.
    if command.output_format == "text" and os.getpid() != 1:
        loading.load()
    from supervisor._cli.run.session import run

    run(command, loading)
