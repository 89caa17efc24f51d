"""A conversation with a team or an agent: exchanges that can be stopped, undone and continued.

There is no terminal in it. The screen calls `exchange` with what was typed, and shows what comes
back; while an exchange is in progress it may call `queue`, `steer` and `stop`.

An exchange is one run of the team, with the user's words for its task. It is taken out again where
it ends before anything was finished in it: the team returns to the state that was saved before it.

Lines that are queued become one message, a line each: that is one task for the team and one step
for `/undo`, and models that want turns to alternate take it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from supervisor._cli.chat.conversation import commands
from supervisor._cli.chat.conversation.actions import Actions
from supervisor._cli.chat.conversation.answer import Answer
from supervisor._cli.chat.conversation.built_target import BuiltTarget
from supervisor._cli.chat.conversation.exchange import Exchange
from supervisor._cli.chat.conversation.progress import Progress
from supervisor._cli.chat.conversation.user_calls import CallStopped
from supervisor._cli.errors import CommandError
from supervisor._cli.user_code import summary
from supervisor._core.errors import UsageError

if TYPE_CHECKING:
    from supervisor._cli.chat.conversation.sessions import Sessions
    from supervisor._cli.targets import Source
    from supervisor._supervisor.facade import Supervisor

_DISK_SECONDS: Final = 0.05
"""How long the prompt waits for the disk: what is late is written all the same."""

_NOTHING_TO_GO_ON: Final = "No answer was stopped that could go on; type a message."
_UNDONE: Final = "Stopped before anybody had answered; the message is out again, and Up has it."
_MEMBERS: Final = 8  # that are named
_NOT_SENT: Final = "What was queued is not sent; Up has it."
_OUT: Final = "The message is out again, and Up has it."


class Conversation:
    """One conversation.

    Args:
        sup: The supervisor, whose block is open.
        source: What the team or agent is built from.
        on_event: Called in the loop with each event of an answer, and with queued words as they go
            in, as a message from the user.
        ask: Shows a question of a `UserProxyAgent`, and returns the user's answer; it is cancelled
            where nobody needs the answer any more.
        sessions: Where the conversation is kept; None keeps it in this process alone.
    """

    def __init__(
        self,
        sup: Supervisor,
        source: Source,
        *,
        on_event: Callable[[object], None],
        ask: Callable[[str], Awaitable[str]],
        sessions: Sessions | None,
    ) -> None:
        self._sup = sup
        self._source = source
        self._on_event = on_event
        self._target = BuiltTarget(source, ask)
        self._progress = Progress(sessions)
        self._actions = Actions(self._target, self._progress)
        self._queue: list[str] = []
        self._answer: Answer | None = None
        self._is_stopped = False
        self.is_answering = False
        """Whether an exchange is in progress."""
        self.opening = ""
        """One line about the session that was continued; "" for a new one."""

    # -- what it shows --------------------------------------------------------------------------

    @property
    def queued(self) -> Sequence[str]:
        """What was typed while it answers, and has not gone in yet."""
        return tuple(self._queue)

    @property
    def can_go_on(self) -> bool:
        """Whether an answer was cut off that goes on without words."""
        return self._progress.now.can_go_on

    @property
    def greeting(self) -> str:
        """Who is talked to, and how to get help and to leave; once it is open."""
        names = [each.partition(" (")[0] for each in self._target.shape]
        shown = names[1 : _MEMBERS + 1]
        more = [f"{len(names) - 1 - _MEMBERS} more"] if len(names) - 1 > _MEMBERS else []
        who = ", ".join(shown + more) or "".join(names)
        return f"{self._source.name} ({who}). /help shows the commands, Ctrl-D leaves."

    @property
    def unanswered(self) -> str:
        """The words that nobody had answered when an earlier chat of this session was ended."""
        return self._progress.unanswered

    @property
    def resume_line(self) -> str:
        """The command that goes on with this conversation; "" where it is not kept."""
        return self._progress.resume_line

    # -- its begin and its end ------------------------------------------------------------------

    async def open(self) -> None:
        """Build the target, and go on with the session if there is one.

        Raises:
            CommandError: The session cannot be continued, or the target cannot be built.
        """
        await self._build_first()
        record = await self._progress.open(self._target.shape)
        if record is None:
            self._progress.start(await self._target.point(messages=0))
        else:
            problem = await self._actions.go_to(record.point)
            if problem:
                raise CommandError(f"the session {self._progress.name!r} does not fit: {problem}")
            self._progress.write()  # at once: it may come from a file of an earlier version
            self.opening = self._progress.describe()
        self.opening += await self._progress.flush()

    async def _build_first(self) -> None:
        try:
            await self._target.build()
        except CallStopped:
            raise asyncio.CancelledError from None  # the chat has not begun, and does not
        except CommandError:
            raise
        except Exception as error:
            raise CommandError(
                f"{self._source.name!r} cannot be built: {summary(error)}"
            ) from error

    def close(self) -> None:
        """Write what is left to write, and let another chat have the session."""
        self._progress.close()

    # -- exchanges ------------------------------------------------------------------------------

    async def exchange(self, words: str | None) -> Exchange:
        """Say something, and get the answer to its end; what is queued meanwhile goes in after it.

        Args:
            words: The user's; None goes on with an answer that was cut off.

        Returns:
            What it has come to; where words that were queued went in, what the last has come to.

        Raises:
            UsageError: One is in progress.
        """
        if self.is_answering:
            raise UsageError("an exchange is in progress; queue() the words, or stop() it")
        if words is None and not self.can_go_on:
            return Exchange(outcome="failed", notice=_NOTHING_TO_GO_ON)
        self.is_answering, self._is_stopped = True, False
        try:
            done = await self._exchange_all(words)
            problem = await self._progress.flush(_DISK_SECONDS)
            return replace(done, notice=_joined(done.notice, problem))
        finally:
            self.is_answering, self._answer = False, None

    async def _exchange_all(self, words: str | None) -> Exchange:
        """Have exchanges until nothing is queued; what is queued behind a stop comes back."""
        while True:
            done = await self._exchange_once(words)
            is_whole = done.outcome == "finished"
            if not self._queue and not done.words:
                return done
            if not is_whole or self._is_stopped or self._sup.stop_request is not None:
                break
            words = _joined(done.words, self._taken_queue())
            self._on_event(self._target.task(words))
        queued = self._taken_queue()
        notice = _joined(done.notice, _NOT_SENT * bool(queued))
        return replace(done, words=_joined(done.words, queued), notice=notice)

    async def _exchange_once(self, words: str | None) -> Exchange:
        if not self._target.is_built:
            problem = await self._actions.build_anew(self._progress.now)
            if problem:
                notice = f"There is nobody to talk to{problem}."
                return Exchange(outcome="failed", words=words or "", notice=notice)
        if self._is_stopped:
            return Exchange(outcome="stopped" if words is None else "undone", words=words or "")
        self._progress.begin(words)
        task = None if words is None else self._target.task(words)
        if task is not None:
            self._progress.note_said(task)
        answer = Answer(self._sup, self._target.built, task, self._progress.note_turn)
        self._answer = answer
        await answer.read(self._note_event)
        self._answer = None
        return await self._conclude(words, answer)

    def _note_event(self, event: object) -> None:
        self._progress.note_said(event)
        self._on_event(event)

    async def _conclude(self, words: str | None, answer: Answer) -> Exchange:
        try:
            if answer.is_given_up:
                return await self._rebuild(words)
            if answer.leaves_nothing:
                return await self._take_out(words, answer)
            return await self._keep(words, answer)
        except Exception as error:  # noqa: BLE001 - saving or loading a state of the user's
            self._progress.take_out()
            problem = await self._actions.build_anew(self._progress.now)
            notice = f"The state is as before the message: {summary(error)}{problem}."
            return Exchange(outcome="failed", words=words or "", notice=notice)

    async def _keep(self, words: str | None, answer: Answer) -> Exchange:
        """Keep what was finished."""
        said = answer.messages + (words is not None and answer.has_taken_task)
        point = await self._target.point(
            messages=self._progress.now.messages + said,
            can_go_on=answer.outcome != "finished" and not self._target.waits_for_user,
        )
        point = replace(point, said=self._progress.said)
        self._progress.keep(point, can_be_undone=words is not None)
        return Exchange(outcome=answer.outcome, notice=answer.notice)

    async def _take_out(self, words: str | None, answer: Answer) -> Exchange:
        """Take the exchange out again, of which nothing stays."""
        await self._target.restore(self._progress.now)
        self._progress.take_out()
        if answer.was_stopped and words is not None:
            return Exchange(outcome="undone", words=words, notice=_UNDONE)
        notice = f"{answer.notice} {_OUT if words else ''}".strip()
        return Exchange(outcome=answer.outcome, words=words or "", notice=notice)

    async def _rebuild(self, words: str | None) -> Exchange:
        """Build anew a team that refused to stop, with the state after its last finished turn."""
        progress = self._progress
        kept = progress.turn
        problem = await self._actions.build_anew(kept or progress.now)
        if kept is None:
            progress.take_out()
        else:
            progress.keep(kept, can_be_undone=words is not None)
        since = "with its state after the last finished turn" if kept else "as before the message"
        done = problem or f"; it was built anew, {since}"
        notice = f"The target refused to stop{done}."
        return Exchange(outcome="rebuilt", words=words or "" if kept is None else "", notice=notice)

    # -- while it answers -----------------------------------------------------------------------

    def queue(self, words: str) -> None:
        """Keep what was typed while it answers; it goes in when the answer is over."""
        self._queue.append(words)

    def steer(self) -> None:
        """Let the turn in progress finish; then what is queued goes in, and no other turn before.

        A single agent has one turn, its whole answer. Without anything queued nothing happens.
        """
        if self._answer is not None and self._queue:
            self._answer.steer()

    def stop(self) -> None:
        """Stop the answer now; what is queued comes back to the user, and does not go in.

        It stops what a command does as well, and what is done before and after an answer.
        """
        self._is_stopped = True
        self._target.calls.stop()
        if self._answer is not None:
            self._answer.stop()

    def _taken_queue(self) -> str:
        words = "\n".join(self._queue)
        self._queue.clear()
        return words

    # -- commands -------------------------------------------------------------------------------

    async def command(self, line: str) -> str:
        """Carry out a command.

        Args:
            line: What was typed; `commands.is_command` of it is true.

        Returns:
            The text to show.
        """
        try:
            name, argument = commands.parse(line)
        except ValueError as error:
            return str(error)
        at_any_time = {
            "help": commands.help_text,
            "state": self._actions.state,
            "stop": self._stop_by_command,
        }
        if name in at_any_time:
            return at_any_time[name]()
        if name == "save":
            return await self._actions.save(argument)
        if self.is_answering:
            return f"It answers; /stop it before /{name}."
        return await self._between_exchanges(name, argument)

    def _stop_by_command(self) -> str:
        if not self.is_answering:
            return "Nothing is being answered."
        self.stop()
        return "Stopping."

    async def _between_exchanges(self, name: str, argument: str) -> str:
        actions = self._actions
        if name == "load":
            said = await actions.load(argument)
        else:
            said = await (actions.undo() if name == "undo" else actions.reset())
        return _joined(said, await self._progress.flush())


def _joined(*parts: str) -> str:
    """Return these parts, each on a line of its own."""
    return "\n".join(part for part in parts if part)
