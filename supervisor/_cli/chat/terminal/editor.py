"""The user interface by prompt_toolkit: one editor and one terminal mode from start to end.

The editor runs while an answer is made as well, so one types ahead. Text is written above it, in
whole lines; the beginning of an unfinished line is part of what the editor draws.

The position of the cursor is never asked for: an answer to that question that comes after the end
would be typed into the shell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

assert sys.platform != "win32"

from prompt_toolkit.application import Application
from prompt_toolkit.application.run_in_terminal import in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.layout import (
    AnyContainer,
    BufferControl,
    ConditionalContainer,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from supervisor._cli.chat.conversation.commands import is_command
from supervisor._cli.chat.terminal.history import HistoryBuffer, history_in
from supervisor._cli.chat.terminal.key_bindings import key_bindings
from supervisor._cli.chat.terminal.lines import Lines
from supervisor._cli.chat.terminal.log_handlers import log_handlers_follow
from supervisor._cli.chat.terminal.room import room_for_reports
from supervisor._cli.chat.terminal.suspension import suspendable
from supervisor._cli.chat.terminal.terminal_input import SignalInput
from supervisor._cli.chat.terminal.user_interface import QUEUE, Keys
from supervisor._cli.output.printed import printed_by
from supervisor._cli.output.sanitize import sanitize
from supervisor._signals.handlers import SignalHandlers
from supervisor._signals.registry import registry

_BETWEEN_WRITES: Final = 0.03  # seconds: each one draws the editor anew
_ESCAPE_SECONDS: Final = 0.1  # after which an Esc that nothing follows is no escape sequence
_STYLE: Final = Style.from_dict({"prompt": "bold", "status": "ansibrightblack"})


class EditorInterface:
    """A line editor at the bottom, and text that scrolls above it.

    Args:
        history: The file that keeps what was typed.
    """

    def __init__(self, history: Path) -> None:
        self._input = SignalInput(sys.stdin)
        self._output = Vt100_Output.from_pty(sys.stdout, term=os.environ.get("TERM"))
        self._output.enable_cpr = False
        self._lines = Lines(lambda: self._output.get_size().columns)
        self._has_text = asyncio.Event()
        self._drawn = ""  # the unfinished line, as the editor draws it
        self._prompt, self._status = "", ""
        self._keys: Keys | None = None
        self._buffer = HistoryBuffer(
            history=history_in(history), multiline=False, accept_handler=self._enter
        )
        self._app = self._application()

    async def run(self, keys: Keys) -> None:
        """Show it, and read keys, until it is closed or the terminal has gone."""
        self._keys = keys
        loop, found = asyncio.get_running_loop(), (sys.stdout, sys.stderr)
        with (
            printed_by(lambda text: self._print_soon(text, loop), "stdout", "stderr"),
            log_handlers_follow(*found),
            room_for_reports(self._app),
            suspendable(self._input.mode.leave, lambda: self._come_back(loop)),
        ):
            writer = asyncio.create_task(self._write_lines())
            writer.add_done_callback(lambda _: self.close())
            try:
                await self._edit()
            finally:
                writer.cancel()
                await asyncio.wait([writer])
                with contextlib.suppress(OSError):
                    self._write(self._lines.take() + self._lines.unfinished)

    def _print_soon(self, text: str, loop: asyncio.AbstractEventLoop) -> None:
        """Print what the program has written; in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._print_foreign, text)

    def _print_foreign(self, text: str) -> None:
        self._lines.add(text, is_ours=False)
        self._has_text.set()

    async def _edit(self) -> None:
        # For SIGWINCH prompt_toolkit uses `add_signal_handler`, which takes the wakeup fd and loses
        # the handler; its removal leaves neither. The supervisor would notice, but not at once.
        found = SignalHandlers(_ignore)
        found.install(signal.SIGWINCH)
        asyncio.get_running_loop().call_soon(registry.reclaim)
        try:
            await self._app.run_async(set_exception_handler=False, handle_sigint=False)
        except (EOFError, OSError):  # the terminal has gone
            return
        finally:
            found.put_back(signal.SIGWINCH)
            registry.reclaim()

    def close(self) -> None:
        """Have `run` end."""
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    def print(self, text: str) -> None:
        """Write text above the line that is typed; the last line may be unfinished."""
        self._lines.add(text)
        self._has_text.set()

    def print_aside(self, text: str) -> None:
        """Write text that does not belong to the answer: on lines of its own."""
        self._print_foreign(text)

    def show(self, *, prompt: str, status: str, hint: str) -> None:
        """Show a prompt before the line, and below it a hint, or else a status."""
        if (prompt, hint or status) != (self._prompt, self._status):
            self._prompt, self._status = prompt, hint or status
            self._app.invalidate()

    def remember(self, words: str) -> None:
        """Have the arrow key bring words back, before all others."""
        self._buffer.bring_back(words)

    def set_last_words(self, text: str) -> None:
        """Have a text written where the process is ended by force."""
        self._input.mode.announce(text.replace("\n", "\r\n").encode())

    def read_typed(self) -> None:
        """Take in what was typed so far: it comes before a Ctrl-C that was pressed after it."""
        if self._app.is_running and not self._app.is_done:
            self._app.key_processor.feed_multiple(self._input.read_all_keys())
            self._app.key_processor.process_keys()

    def clear_line(self) -> bool:
        """Drop what was typed into the line; return whether there was anything."""
        had = bool(self._buffer.text)
        self._app.layout.focus(self._buffer)  # away from a search
        self._buffer.reset()
        self._app.invalidate()
        return had

    # -- the editor ---------------------------------------------------------------------------

    def _application(self) -> Application[None]:
        search = SearchToolbar()
        line = BufferControl(
            self._buffer,
            input_processors=[BeforeInput(lambda: self._prompt, "class:prompt")],
            search_buffer_control=search.control,
        )
        rows: list[AnyContainer] = [
            _text_row(lambda: self._drawn),
            Window(line, wrap_lines=True, dont_extend_height=True),
            search,
            _text_row(lambda: self._status, "class:status"),
        ]
        app: Application[None] = Application(
            layout=Layout(HSplit(rows), focused_element=line),
            key_bindings=key_bindings(self._escape, self._end),
            style=_STYLE,
            include_default_pygments_style=False,
            erase_when_done=True,
            input=self._input,
            output=self._output,
        )
        app.ttimeoutlen = app.timeoutlen = _ESCAPE_SECONDS
        return app

    def _enter(self, buffer: Buffer) -> bool:
        text = buffer.text
        buffer.append_to_history()
        buffer.reset()  # first: what is called may ask what stands in the line
        self._echo(text)
        assert self._keys is not None
        self._keys.on_line(text)
        return True

    def _echo(self, text: str) -> None:
        """Leave what was entered in the text, on lines of its own; not queued words.

        They are shown where they go in, and a line of the answer is not broken for them.
        """
        if text and (self._prompt != QUEUE or is_command(text)):
            is_ours = self._prompt != QUEUE
            self._lines.add(f"{self._prompt}{sanitize(text)}\n", is_ours=is_ours)
            self._has_text.set()

    def _escape(self) -> None:
        assert self._keys is not None
        self._keys.on_escape()

    def _end(self) -> None:
        assert self._keys is not None
        self._keys.on_end()

    # -- text above it ------------------------------------------------------------------------

    async def _write_lines(self) -> None:
        while True:
            await self._has_text.wait()
            self._has_text.clear()
            async with in_terminal():
                self._drawn = self._lines.unfinished
                self._write(self._lines.take())
            await asyncio.sleep(_BETWEEN_WRITES)

    def _write(self, text: str) -> None:
        if text:
            print_formatted_text(
                self._output, ANSI(text), _STYLE, color_depth=self._app.color_depth
            )

    # -- suspended ----------------------------------------------------------------------------

    def _come_back(self, loop: asyncio.AbstractEventLoop) -> None:
        self._input.mode.come_back()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._draw_anew)

    def _draw_anew(self) -> None:
        if self._app.is_running and not self._app.is_done:
            self._input.mode.announce()
            self._app.renderer.reset()
            self._app.invalidate()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Stand where prompt_toolkit is about to put its own."""


def _text_row(text: Callable[[], str], style: str = "") -> ConditionalContainer:
    # Styled as text: a window's style reaches the right margin, and would wrap in a narrower one.
    control = FormattedTextControl(lambda: ANSI(text()), style=style)
    window = Window(control, wrap_lines=True, dont_extend_height=True)
    return ConditionalContainer(window, Condition(lambda: bool(text())))
