"""The command `chat`: from its command line to the line that resumes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from supervisor._cli import options
from supervisor._cli.chat.command_line import Command, read
from supervisor._cli.chat.terminal.user_interface import (
    UserInterface,
    check_terminal,
    open_interface,
)
from supervisor._cli.errors import CommandError
from supervisor._cli.extras import require
from supervisor._cli.targets import load

if TYPE_CHECKING:
    from supervisor._cli.chat.conversation.sessions import Sessions
    from supervisor._cli.targets import Source
    from supervisor._supervisor.facade import Supervisor


def main(arguments: Sequence[str]) -> None:
    """Converse with what the command line names, and end the process as it should end."""
    command = read(arguments)
    if sys.platform == "win32":
        raise CommandError("chat needs a POSIX terminal; on Windows use `autogen-supervisor run`")
    check_terminal()
    require("prompt_toolkit", "chat")
    options.install(command.settings)
    with _says_loading(command.target.word):
        source = load(
            command.target, trust=command.trust, allow=command.allow, select=command.select
        )

    from supervisor._cli.state import state_directory
    from supervisor._runner import run

    ui = open_interface(state_directory() / "chat-history")

    async def chat(sup: Supervisor) -> None:
        await _chat(sup, source, command, ui)

    end_quietly_by_ctrl_c()
    settings = command.settings
    run(
        chat,
        loop=settings.loop or "uvloop",
        stop_status=settings.stop_status,
        interactive=True,
        exits=True,
    )


def end_quietly_by_ctrl_c() -> None:
    """Have Ctrl-C after `run` end the process without a traceback, unless SIGINT is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


async def _chat(sup: Supervisor, source: Source, command: Command, ui: UserInterface) -> None:
    from supervisor._cli.chat.conversation.conversation import Conversation
    from supervisor._cli.chat.repl import Repl
    from supervisor._cli.chat.terminal.refused_input import input_refused
    from supervisor._cli.chat.view import AnswerView
    from supervisor._core.events import Rung
    from supervisor._supervisor.facade import parts_of

    parts = parts_of(sup)
    parts.report.is_shown_elsewhere = True
    repl = Repl(
        ui,
        AnswerView(parts.report.progress, parts.scope.active_agents),
        lambda on_event, ask: Conversation(
            sup, source, on_event=on_event, ask=ask, sessions=_sessions(command)
        ),
        is_over=lambda: sup.stop_request is not None,
    )
    sup.on_interrupt(repl.on_interrupt)
    try:
        with input_refused():
            await repl.run()
    finally:
        _say(repl.last_words)
        # What has refused to stop would hold the loop's end for ever; a team had its time before.
        sup.stop("The chat has ended", Rung.ABANDON if sup.quarantined else Rung.CANCEL)


def _sessions(command: Command) -> Sessions:
    from supervisor._cli.chat.conversation.sessions import Sessions
    from supervisor._core.errors import SettingsError

    needed = ["--trust"] if command.trust else []
    needed += [word for namespace in command.allow for word in ("--allow", namespace)]
    needed += ["--select", command.select] if command.select is not None else []
    try:
        return Sessions(
            command.target.word,
            name=command.session or command.run_id,
            may_begin=command.run_id is not None,
            last=command.goes_on,
            options=needed,
            store=command.checkpoints,
        )
    except SettingsError as error:
        raise CommandError(f"{error}") from None


@contextlib.contextmanager
def _says_loading(name: str) -> Generator[None]:
    """Show what is done; erase that, and what was typed and echoed behind it."""
    _say(f"Loading {name}...")
    try:
        yield
    finally:
        _say("\n" if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown") else "\r\x1b[J")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal has gone
        os.write(1, text.encode())
