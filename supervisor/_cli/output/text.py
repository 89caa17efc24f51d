"""What a person sees of a run: its transcript, a status line below it, and how it has ended.

At a terminal there are colours and the status line, where rich is installed; else plain lines.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from supervisor._cli.output.events import text_of
from supervisor._cli.output.look import STDERR, Look
from supervisor._cli.output.outcome import Output, TargetFailure
from supervisor._cli.output.painter import Painter
from supervisor._cli.output.palette import Palette
from supervisor._cli.output.printed import printed_by
from supervisor._cli.output.result_line import result_line
from supervisor._cli.output.sanitize import sanitize
from supervisor._cli.output.screen import Screen
from supervisor._cli.output.status_line import StatusLine
from supervisor._cli.output.transcript import Transcript
from supervisor._process.standard_streams import write_stderr
from supervisor._reports.log import reporter
from supervisor._reports.outcome import Outcome
from supervisor._reports.run_json import kind_of

if TYPE_CHECKING:
    from supervisor._supervisor.facade import Supervisor

_AFTER_STOP: Final = 0.2  # seconds by which a stopped terminal or a slow pipe may delay the end
_MESSAGES: Final = ("BaseChatMessage", "HandoffMessage")
_NO_RICH: Final = (
    "supervisor: plain text, as rich is not installed; pip install 'autogen-supervisor[cli]'\n"
)


class TextOutput(Output):
    """Shows a run to a person, on stdout.

    Args:
        is_quiet: Whether only the last message is shown.
        is_verbose: Whether to show what tools return, and all that code has printed.
        look: What can be shown.
        on_error: Called, in a thread, when nothing more can be written.
    """

    def __init__(
        self,
        *,
        is_quiet: bool = False,
        is_verbose: bool = False,
        look: Look | None = None,
        on_error: Callable[[OSError], object] | None = None,
    ) -> None:
        self._look = look or Look(os.environ)
        self._palette = Palette(color=self._look.has_color)
        self._is_quiet = is_quiet
        self._on_error = on_error
        width = self._look.columns if self._look.is_terminal else None
        self._transcript = Transcript(width, self._look.has_color, verbose=is_verbose)
        self._status = StatusLine()
        self._task: str | None = None
        self._last = ""  # the last message, where only that is shown
        self._screen: Screen | None = None
        self._sup: Supervisor | None = None
        self._undo = contextlib.ExitStack()

    @property
    def is_full(self) -> bool:
        """Whether the reader is so slow that the run should wait."""
        return self._screen is not None and self._screen.is_full

    def attach(self, sup: Supervisor) -> None:
        """Show the stop of this supervisor in the status line."""
        from supervisor._supervisor.facade import parts_of

        self._sup = sup
        parts = parts_of(sup)
        self._status = StatusLine(parts.report.progress, parts.scope.active_agents)
        parts.report.is_shown_elsewhere = self._has_status
        self._opened()

    def begin(
        self,
        name: str,  # noqa: ARG002
        task: str | None,
        agents: Sequence[str] = (),  # noqa: ARG002
    ) -> None:
        """Begin to show a run."""
        self._task = task
        self._status.begin()
        self._opened()

    def event(self, event: object) -> None:
        """Show an event."""
        if self._is_quiet:
            self._keep(event)
            return
        self._status.event(event)
        self._opened().write(self._transcript.render(event))

    def stop(self, facts: Mapping[str, object]) -> None:  # noqa: ARG002
        """Show at once that a stop enters a rung."""
        self._opened().refresh()

    def end(self, outcome: Outcome) -> None:
        """Show how the run has ended, and wait for the reader: if the run was stopped, not long."""
        screen = self._opened()
        self._undo.close()
        screen.write(self._answer(outcome) if self._is_quiet else self._ending(outcome))
        while not screen.close(_AFTER_STOP):
            if self._sup is None or self._sup.stop_request is not None:
                return

    @property
    def _has_status(self) -> bool:
        return self._look.has_status and not self._is_quiet

    def _opened(self) -> Screen:
        """Return what writes; the first time, take stdout over."""
        if self._screen is None:
            self._screen = Screen(
                self._look.fd,
                Painter(self._look.size, self._palette.dim) if self._look.is_terminal else None,
                self._status.text if self._has_status else str,
                encoding=self._look.encoding,
                on_error=self._on_error,
            )
            if not self._is_quiet:  # else what is printed goes to stderr: see `own_stdout`
                self._take_over(self._screen)
        return self._screen

    def _take_over(self, screen: Screen) -> None:
        if self._look.lacks_rich:
            write_stderr(_NO_RICH)
        streams = ["stdout"]
        if self._look.is_terminal and os.isatty(STDERR):
            streams.append("stderr")
            found, reporter.step_aside = reporter.step_aside, screen.step_aside
            self._undo.callback(setattr, reporter, "step_aside", found)
        self._undo.enter_context(printed_by(screen.write_foreign, *streams))

    def _keep(self, event: object) -> None:
        if kind_of(event) in _MESSAGES:
            text = text_of(event).rstrip("\n")
            is_task = getattr(event, "source", "") == "user" and text == self._task
            self._last = "" if is_task else f"{text}\n"

    def _answer(self, outcome: Outcome) -> str:
        return "" if outcome.status == "failed" else self._last

    def _ending(self, outcome: Outcome) -> str:
        if outcome.status == "failed" and isinstance(outcome.error, TargetFailure):
            return self._transcript.finish()
        line = result_line(outcome)
        style = self._palette.error if outcome.error is not None else self._palette.strong
        said = self._transcript.finish()
        gap = "" if self._transcript.is_empty else "\n"
        resume = "" if outcome.resume is None else f"Resume with: {sanitize(outcome.resume)}\n"
        return f"{said}{gap}{style(line)}\n{resume}"
