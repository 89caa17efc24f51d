"""Tool calls, each folded to a line with its time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from supervisor._cli.output import amounts
from supervisor._cli.output.events import call_text, content_of, source_of
from supervisor._cli.output.page import Page
from supervisor._cli.output.sanitize import one_line, sanitize

_INTERRUPTED: Final = "Interrupted: "  # as `_autogen/history/tool_calls.py` closes a call


@dataclass(frozen=True)
class _Call:
    """A call that has no result yet."""

    source: str
    text: str
    at: float


class ToolCalls:
    """The calls that have begun.

    Args:
        page: Where they are shown.
        clock: Tells the time, in seconds.
    """

    def __init__(self, page: Page, clock: Callable[[], float]) -> None:
        self._page = page
        self._clock = clock
        self._open: dict[str, list[_Call]] = {}  # models may use an id twice

    def begin(self, event: Any) -> None:
        """Note the calls that an agent asks for."""
        source, now = source_of(event), self._clock()
        begun: dict[str, list[_Call]] = {}
        for call in content_of(event):
            text = call_text(str(call.name), str(call.arguments))
            begun.setdefault(call.id, []).append(_Call(source, text, now))
        self._open.update(begun)

    def end(self, event: Any) -> str:
        """Show the calls that have a result now."""
        return self._page.heading(source_of(event)) + "".join(map(self._ended, content_of(event)))

    def end_all(self) -> str:
        """Show the calls that will have none."""
        said = ""
        for call in chain.from_iterable(self._open.values()):
            end = f" interrupted after {self._passed(call)}"
            said += self._page.heading(call.source)
            said += self._page.folded(call.text, end, self._page.palette.error)
        self._open.clear()
        return said

    def _ended(self, result: Any) -> str:
        page = self._page
        call = self._taken(result.call_id)
        text = f"{one_line(str(result.name))}(…)" if call is None else call.text
        content = sanitize(str(result.content)).strip()
        if result.is_error and content.startswith(_INTERRUPTED):
            when = "" if call is None else f" after {self._passed(call)}"
            said = page.folded(text, f" interrupted{when}", page.palette.error)
        elif result.is_error:
            when = "" if call is None else f" after {self._passed(call)}"
            why = "" if page.verbose or not content else f": {one_line(content)}"
            said = page.folded(text, f" failed{when}{why}", page.palette.error)
        else:
            end = "" if call is None else f" {self._passed(call)}"
            said = page.folded(text, end, page.palette.dim)
        return said + page.block(content) if page.verbose else said

    def _taken(self, call_id: str) -> _Call | None:
        calls = self._open.get(call_id)
        return calls.pop(0) if calls else None

    def _passed(self, call: _Call) -> str:
        return amounts.seconds(self._clock() - call.at)
