"""Keeps one conversation in a store, in a thread of its own, so that a slow disk holds nothing up.

Of what comes while it writes, only the newest is written next. The store is used by that thread
alone; another one keeps the conversation ours where the store needs to be told of that, and hears
whether somebody has cancelled it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from supervisor._checkpoints.integrity import Sealer
from supervisor._checkpoints.owners import owner_name
from supervisor._checkpoints.store import Commit, End, RunStatus
from supervisor._cli.chat.conversation.kept_record import SAID, Contents
from supervisor._core.errors import CheckpointError, LeaseLost

if TYPE_CHECKING:
    from supervisor._checkpoints.snapshot import Kept
    from supervisor._checkpoints.store import CheckpointStore, NewRun

LEASE: Final = 15.0
"""Seconds for which a conversation stays ours after a kill, where the store does not see that."""

_LOOKS: Final = 1.0  # seconds between two looks at whether it is cancelled
_CANCELLED: Final = "it was cancelled"
_LOST: Final = "another chat has it by now"

T = TypeVar("T")


@dataclass(frozen=True)
class Taken:
    """A conversation that is ours.

    Args:
        kept: What the store has of it; None where nothing was written yet.
    """

    kept: Kept | None


class _Row:
    """A conversation in the store, as far as it was written. One thread uses it.

    Args:
        run_id: Its name.
        fence: What proves that it is ours.
        turn: The turn at which it stands.
    """

    def __init__(self, run_id: str, fence: int, turn: int) -> None:
        self.run_id = run_id
        self.fence = fence
        self._turn = turn
        self._sealer = Sealer(run_id)
        self._written: Sequence[Mapping[str, Any]] = ()

    def load(self, store: CheckpointStore) -> Kept | None:
        """Read it.

        Raises:
            CheckpointCorrupt: It is damaged.
        """
        kept = self._sealer.check(store.load(self.run_id))
        self._written = () if kept is None else kept.logs.get(SAID, ())
        return kept

    def write(self, store: CheckpointStore, contents: Contents) -> None:
        """Write what is new of it; after an error the next time writes all of it.

        Raises:
            CheckpointError: It is not written.
            LeaseLost: It is not ours any more.
        """
        try:
            sealed = self._sealer.seal(contents.after(self._written))
            commit = Commit(
                expects=self._turn,
                turn=sealed.turn,
                state=sealed.state,
                digest=sealed.digest,
                entries=sealed.entries,
            )
            store.commit(self.run_id, self.fence, commit)
        except BaseException:
            self._sealer, self._written = Sealer(self.run_id), ()
            raise
        self._turn, self._written = sealed.turn, contents.said

    def release(self, store: CheckpointStore) -> None:
        """Give it up.

        Raises:
            CheckpointError: The store does not answer.
            LeaseLost: It is not ours any more.
        """
        end = End(status=RunStatus.STOPPED)
        store.commit(self.run_id, self.fence, Commit(expects=self._turn, turn=self._turn, end=end))


class Writer:
    """Writes a conversation.

    Args:
        make_store: Opens the store; called in the thread.
    """

    def __init__(self, make_store: Callable[[], CheckpointStore]) -> None:
        self._make_store = make_store
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="supervisor-session")
        self._store: CheckpointStore | None = None
        self._lock = threading.Lock()
        self._next: Contents | None = None
        self._last: Future[None] | None = None
        self._problem = ""
        self._given_up = ""  # why it is not ours any more
        self._row: _Row | None = None  # None: it is not ours
        self._closed = threading.Event()
        self._renewing: threading.Thread | None = None

    def do(self, job: Callable[[CheckpointStore], T]) -> T:
        """Do something with the store, and wait for that; in any thread but its own.

        Raises:
            CheckpointError: The store does not answer, or what the job raises.
            SettingsError: The URL names no store.
        """
        return self._pool.submit(lambda: job(self._opened())).result()

    def take(self, run_id: str, new: NewRun | None) -> Taken | None:
        """Take a conversation.

        Args:
            run_id: Its name.
            new: What it is, where it is not there.

        Returns:
            What it has; None where it was cancelled.

        Raises:
            RunHeld: Somebody has it.
            CheckpointError: It cannot be read.
        """
        return self.do(lambda store: self._take(store, run_id, new))

    def write(self, contents: Contents) -> None:
        """Have it written, soon; in any thread."""
        with self._lock:
            is_due = self._next is not None  # the thread will come to it
            self._next = contents
            if not is_due and not self._closed.is_set():
                self._last = self._pool.submit(self._write)

    async def flush(self, seconds: float | None) -> str:
        """Wait until everything is written.

        Args:
            seconds: For how long at most.

        Returns:
            Why the last of it is not written; "" where it is, or may be yet.
        """
        if self._last is not None:
            await asyncio.wait([asyncio.wrap_future(self._last)], timeout=seconds)
        return self._given_up or self._problem

    def close(self) -> None:
        """Wait for what is being written, give the conversation up, and write nothing more."""
        if not self._closed.is_set():
            self._closed.set()
            self._pool.submit(self._release)
            self._pool.shutdown()
            if self._renewing is not None:
                self._renewing.join(_LOOKS)

    # -- in the thread --------------------------------------------------------------------------

    def _opened(self) -> CheckpointStore:
        if self._store is None:
            store = self._make_store()
            store.setup()
            self._store = store
        return self._store

    def _take(self, store: CheckpointStore, run_id: str, new: NewRun | None) -> Taken | None:
        owner = owner_name()
        acquired = store.acquire(run_id, owner, LEASE, new=new)
        if acquired.fence is None:
            return None
        row = self._row = _Row(run_id, acquired.fence, acquired.info.turn)
        kept = row.load(store)
        self._renewing = threading.Thread(
            target=self._renew,
            args=[store.clone(), owner, {run_id: row.fence}],
            name="supervisor-session-lease",
            daemon=True,
        )
        self._renewing.start()
        return Taken(kept)

    def _write(self) -> None:
        with self._lock:
            contents, self._next = self._next, None
        if contents is None or self._row is None or self._given_up:
            return
        try:
            self._row.write(self._opened(), contents)
        except LeaseLost:
            self._given_up = _LOST
        except CheckpointError as error:
            self._problem = f"{error}"
        else:
            self._problem = ""

    def _release(self) -> None:
        if self._store is not None:
            if self._row is not None:
                with suppress(CheckpointError, LeaseLost):  # a lease ends by itself
                    self._row.release(self._store)
            self._store.close()

    # -- in the thread of the lease -------------------------------------------------------------

    def _renew(self, store: CheckpointStore, owner: str, fences: Mapping[str, int]) -> None:
        while not self._closed.wait(_LOOKS) and not self._given_up:
            with suppress(CheckpointError):
                renewal = store.renew(owner, fences, LEASE)
                if renewal.lost or renewal.cancelled:
                    self._given_up = _CANCELLED if renewal.cancelled else _LOST
        store.close()
