"""What one exchange has come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ExchangeOutcome = Literal["finished", "stopped", "undone", "failed", "rebuilt"]


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """The user's words and the answer to them, once it is over.

    Args:
        outcome: "finished": the answer is whole. "stopped": it was stopped, and what was finished
            stays; an exchange without words goes on. "undone": it was stopped before anybody had
            answered, and is taken out again. "failed": it has failed, and `notice` says why.
            "rebuilt": something of the team refused to stop, so that the team was built anew.
        words: Words that come back to the user, for none of them was answered: those of an exchange
            that was taken out, and those that were queued behind it.
        notice: What to tell the user, a line or two; "" where there is nothing to say.
    """

    outcome: ExchangeOutcome
    words: str = ""
    notice: str = ""
