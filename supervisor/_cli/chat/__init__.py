"""`chat TARGET`: a conversation with a team or an agent, in a terminal.

`conversation.py` and what belongs to it know no terminal, and `screen.py` and what belongs to it
know no team; `repl.py` brings both together.
"""

from __future__ import annotations
