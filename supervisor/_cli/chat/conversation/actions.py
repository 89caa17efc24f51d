"""What the commands of a conversation do between two exchanges."""

from __future__ import annotations

import asyncio
from pathlib import Path

from supervisor._cli import paths
from supervisor._cli.chat.conversation.built_target import BuiltTarget
from supervisor._cli.chat.conversation.files import read, replace
from supervisor._cli.chat.conversation.points import Point
from supervisor._cli.chat.conversation.progress import Progress
from supervisor._cli.chat.conversation.record import Record
from supervisor._cli.errors import CommandError
from supervisor._cli.output.amounts import count
from supervisor._cli.user_code import summary


class Actions:
    """What commands do to a conversation, of which no exchange is in progress.

    Each method returns one line for the user, and raises nothing.

    Args:
        target: What is talked to.
        progress: How far it has come.
    """

    def __init__(self, target: BuiltTarget, progress: Progress) -> None:
        self._target = target
        self._progress = progress

    async def undo(self) -> str:
        """Take the last exchange back."""
        progress = self._progress
        point = progress.undo.pop()
        if point is None:
            return "There is nothing to undo."
        problem = await self.go_to(point)
        if problem:
            progress.undo.push(point)
            return f"It cannot be undone: {problem}."
        progress.keep(point, can_be_undone=False)
        return f"The last exchange is taken back; {count(point.messages, 'message')} are left."

    async def reset(self) -> str:
        """Begin anew."""
        try:
            await self._target.reset()
            point = await self._target.point(messages=0)
        except Exception as error:  # noqa: BLE001 - of the user's
            problem = await self.build_anew(self._progress.now)
            return f"It is not reset: {summary(error)}{problem}."
        self._progress.keep(point)
        return "The conversation begins anew; /undo takes that back."

    async def load(self, file: str) -> str:
        """Go on with a conversation that was saved into a file."""
        try:
            record = await self._target.calls.call(asyncio.to_thread(_read, file))
            if self._target.is_built:
                record.check_shape(f"{file!r}", self._target.shape)
        except CommandError as error:
            return f"{str(error)[:1].upper()}{str(error)[1:]}."
        problem = await self.go_to(record.point)
        if problem:
            return f"{file!r} does not fit: {problem}."
        self._progress.keep(record.point)
        said = count(record.point.messages, "message")
        return f"It goes on from {file!r}, with {said}; /undo takes that back."

    async def save(self, file: str) -> str:
        """Save the conversation now; also while an exchange is in progress."""
        if not file:
            self._progress.write()
            problem = await self._progress.flush()
            place = self._progress.place
            return problem or (f"Saved in {place}." if place else "Name a file: /save FILE.")
        try:
            await asyncio.to_thread(_save, file, self._progress.text())
        except (CommandError, OSError, TypeError, ValueError) as error:
            return f"{file!r} is not written: {getattr(error, 'strerror', None) or error}."
        return f"Saved in {file!r}; /load {file} goes on from there."

    def state(self) -> str:
        """Describe the conversation."""
        progress = self._progress
        now = progress.turn or progress.now
        kept = f"{progress.name}, in {progress.place}" if progress.name else "not kept"
        who = ", ".join(self._target.shape) if self._target.is_built else "could not be built"
        return "\n".join(
            [
                f"session   {kept}",
                f"target    {who}",
                f"said      {count(now.messages, 'message')}; {len(progress.undo)} to undo",
            ]
        )

    async def go_to(self, point: Point) -> str:
        """Bring the target to a point; where that fails it stays at the present one.

        Returns:
            Why it failed; "" where it has not.
        """
        target = self._target
        try:
            if target.is_built:
                await target.restore(point)
            else:
                await target.build(point)
        except Exception as error:  # noqa: BLE001 - of the user's, or of a file
            return summary(error) + await self.build_anew(self._progress.now)
        return ""

    async def build_anew(self, point: Point) -> str:
        """Build the target anew, at a point.

        Returns:
            What to say where it cannot be built; "" where it was.
        """
        try:
            await self._target.build(point)
        except Exception as error:  # noqa: BLE001 - of the user's
            return f"; it could not be built anew ({summary(error)}): /reset or /load tries again"
        return ""


def _read(file: str) -> Record:
    return read(_path(file))


def _save(file: str, text: str) -> None:
    path = _path(file)
    if paths.exists(path):
        try:
            read(path)
        except CommandError as error:
            raise ValueError("another file has that name; give another") from error
    replace(path, text)


def _path(file: str) -> Path:
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        user = file.partition("/")[0]
        raise CommandError(f"nobody has the home directory {user!r}; give a full path") from error
