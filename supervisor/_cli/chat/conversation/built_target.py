"""The team or agent of a conversation, as it was built in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from supervisor._cli.chat.conversation.points import Point
from supervisor._cli.chat.conversation.user_calls import CallStopped, UserCalls

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable
    from supervisor._autogen.messages import Message
    from supervisor._cli.targets import Source


class BuiltTarget:
    """What is talked to.

    Args:
        source: What it is built from.
        ask: Asks the user, for each `UserProxyAgent` in it.
    """

    def __init__(self, source: Source, ask: Callable[[str], Awaitable[str]]) -> None:
        self._source = source
        self._ask = ask
        self._built: Runnable | None = None
        self.calls = UserCalls()
        """The call of the user's code that is in progress, to be stopped."""
        self.shape: list[str] = []
        """Of which teams and agents it consists."""

    @property
    def is_built(self) -> bool:
        """Whether there is one to talk to."""
        return self._built is not None

    @property
    def built(self) -> Runnable:
        """The team or agent; only while there is one."""
        assert self._built is not None
        return self._built

    async def build(self, point: Point | None = None) -> None:
        """Build it anew, and bring it to a point.

        Raises:
            Exception: It cannot be built, or the state does not fit; then there is none.
        """
        from supervisor._autogen import saved_state, user_input

        self._built = None
        made = await self.calls.call(self._source.build())
        user_input.ask_through(made, self._ask)
        self.shape = saved_state.shape(made)
        if point is not None:
            await self.calls.call(saved_state.restore(made, point.state, point.memory))
        self._built = made

    async def point(self, *, messages: int, can_go_on: bool = False) -> Point:
        """Return the point at which it is."""
        from supervisor._autogen import saved_state

        try:
            state = await self.calls.call(saved_state.save(self.built))
        except Exception:  # noqa: BLE001 - of the user's; the chat goes on, and says so as it writes
            state = None
        memory: object = None
        with suppress(CallStopped):
            memory = await self.calls.call(saved_state.memory_of(self.built))
        return Point(state=state, messages=messages, can_go_on=can_go_on, memory=memory)

    async def restore(self, point: Point) -> None:
        """Bring it back to a point; where it does not fit, there is none any more.

        Raises:
            Exception: It does not fit.
        """
        from supervisor._autogen import saved_state

        made, self._built = self.built, None
        await self.calls.call(saved_state.restore(made, point.state, point.memory))
        self._built = made

    async def reset(self) -> None:
        """Let it forget everything; where there is none, build it anew.

        Where that fails there is none any more: some of its agents may have forgotten already.

        Raises:
            Exception: It cannot be built, or an agent cannot be reset.
        """
        from supervisor._autogen import saved_state

        made, self._built = self._built, None
        if made is None:
            await self.build()
        else:
            await self.calls.call(saved_state.reset(made))
            self._built = made

    @property
    def waits_for_user(self) -> bool:
        """Whether it has handed off to the user, and goes on with the user's words only."""
        from supervisor._autogen import user_words

        return user_words.waits_for_user(self.built)

    def task(self, words: str) -> Message:
        """Return the user's words as its task."""
        from supervisor._autogen import user_words

        return user_words.as_task(self.built, words)
