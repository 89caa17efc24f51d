"""`chat TARGET`: a conversation with a team or an agent, in a terminal.

`conversation` knows no terminal, `terminal` knows no team, and `repl.py` brings both together.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Converse with what the command line names."""
    from supervisor._cli.chat.start import main as start

    start(arguments)
