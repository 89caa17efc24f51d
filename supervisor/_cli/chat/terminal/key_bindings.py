"""The keys of the editor that are not prompt_toolkit's own.

Esc is bound without `eager`: it counts only where nothing follows it, so neither an arrow key nor
Alt with a letter is an Esc.
"""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent


def key_bindings(on_escape: Callable[[], None], on_end: Callable[[], None]) -> KeyBindings:
    """Return the bindings.

    Args:
        on_escape: Called for Esc.
        on_end: Called for Ctrl-D on an empty line.
    """
    bindings = KeyBindings()

    @bindings.add("escape", filter=~is_searching)
    def escape(_event: KeyPressEvent) -> None:
        on_escape()

    @bindings.add("c-d", filter=Condition(_is_empty))
    def end(_event: KeyPressEvent) -> None:
        on_end()

    @bindings.add("escape", "enter")
    def break_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def _is_empty() -> bool:
    return not get_app().current_buffer.text
