"""What a member of a team is given when it is asked next, and what only after that."""

from __future__ import annotations

from collections.abc import Iterable

from autogen_agentchat.messages import BaseChatMessage


class SplitBuffer(list[BaseChatMessage]):
    """A member's buffer, of which some messages are given to it after its next turn.

    A member that was asked beside others does not hear their answers before its own. So it hears
    none of them either when it is asked again. AutoGen clears a buffer at the end of a turn.

    Args:
        given: What the member is given when it is asked next.
        later: What it is given after that.
    """

    def __init__(self, given: Iterable[BaseChatMessage], later: Iterable[BaseChatMessage]) -> None:
        super().__init__(given)
        self.later = list(later)

    def clear(self) -> None:
        """Forget what was given; the rest is next."""
        self[:], self.later = self.later, []
