"""What is written of a run is sealed, and what is read is checked: damage is found, and never run.

Each log has a digest of its items, in their order. The state's text has the length and the digest
of each log, and a digest of its own, which is bound to the run's id. So a row that is missing,
changed, swapped or of another run does not pass, and neither does a state of another moment.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol, cast

from supervisor._checkpoints.pieces import chunks, decode, encode, let_others_go_on
from supervisor._checkpoints.snapshot import Kept, LogChange, Snapshot
from supervisor._checkpoints.store import Entry, StoredRun
from supervisor._core.errors import CheckpointCorrupt, CheckpointTooNew, UsageError

STATE_FORMAT = 1
"""The format of a state's text that this version writes, and the newest that it reads."""


_MANY: Final = 20
"""After so many items of a log the loop may go on: half a millisecond."""
_STATE: Final = "state:"  # what the rows of a state that is written whole are named after


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What a commit writes of a snapshot.

    Args:
        turn: How many turns are finished.
        state: JSON text.
        digest: What proves it.
        entries: The new rows of logs.
    """

    turn: int
    state: str
    digest: str
    entries: Sequence[Entry]


class Sealer:
    """The seals of one run, as they go on from one commit to the next. One thread uses it.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._logs = dict[str, _Log]()
        self._states = dict[str, _Log]()
        self._texts_of = dict[str, Any]()  # of what the last texts were made; nobody changes that

    def check(self, stored: StoredRun) -> Kept | None:
        """Return what was read of the run, checked and parsed, and go on from there.

        Returns:
            None where nothing was committed yet.

        Raises:
            CheckpointCorrupt: Something is not as it was written.
            CheckpointTooNew: A newer version has written it.
        """
        if stored.state is None:
            if stored.info.turn or stored.digest or stored.logs:
                raise self._corrupt("it has no state")
            return None
        state = self._checked_state(stored.state, stored.digest)
        if state["turn"] != stored.info.turn:
            raise self._corrupt(f"its state is of turn {state['turn']}, not {stored.info.turn}")
        logs = dict(self._checked_logs(state["logs"], stored.logs, self._logs))
        parts = self._checked_logs(state["states"], stored.logs, self._states)
        states = {name.removeprefix(_STATE): self._joined(texts) for name, texts in parts}
        return Kept(
            turn=stored.info.turn, logs=logs, rest=state["rest"], states=states, run_id=self._run_id
        )

    def seal(self, snapshot: Snapshot) -> Sealed:
        """Return what a commit writes of a snapshot; it follows the one that was sealed before.

        Raises:
            ValueError: A log's change does not begin at its end, and neither at 0.
        """
        texts: dict[int, str] = {}
        entries = [entry for change in snapshot.changes for entry in self._extend(change, texts)]
        for log in self._logs.keys() - snapshot.lengths.keys():
            del self._logs[log]
        self._compare(snapshot.lengths)
        entries.extend(self._changed_states(snapshot.states))
        begin: dict[str, Any] = {"format": STATE_FORMAT, "turn": snapshot.turn}
        begin.update(logs=_seals(self._logs), states=_seals(self._states))
        state = f'{json.dumps(begin)[:-1]}, "rest": {encode(snapshot.rest)}}}'
        digest = self._digest(state)
        return Sealed(turn=snapshot.turn, state=state, digest=digest, entries=entries)

    def _extend(self, change: LogChange, texts: dict[int, str]) -> Iterator[Entry]:
        """Yield the rows of what is new of a log; `texts` has those of items by their id()."""
        log = _Log() if change.start == 0 else self._logs.get(change.log, _Log())
        if change.start != log.length:
            raise ValueError(f"{change.log} has {log.length} items, and goes on at {change.start}")
        self._logs[change.log] = log
        for number, item in enumerate(change.items, 1):
            if number % _MANY == 0:
                let_others_go_on()
            body = texts.get(id(item))  # a message is in several logs, and is one object in them
            if body is None:
                body = texts[id(item)] = encode(item)
            yield Entry(change.log, log.length, body)
            log.add(body)

    def _changed_states(self, states: Mapping[str, Any]) -> Iterator[Entry]:
        """Yield the rows of each state that is not as it was; in several, for it may be large."""
        before, self._states = self._states, dict[str, _Log]()
        for log, data in ((_STATE + name, data) for name, data in states.items()):
            if log in before and self._texts_of.get(log) is data:
                self._states[log] = before[log]
                continue
            self._states[log], entries = _in_rows(log, data)
            if not self._states[log].is_same(before.get(log)):
                yield from entries
        self._texts_of = {_STATE + name: data for name, data in states.items()}

    def _compare(self, lengths: Mapping[str, int]) -> None:
        for name, length in lengths.items():
            log = self._logs.setdefault(name, _Log())
            if log.length != length:
                raise ValueError(f"{name} has {log.length} items, and is said to have {length}")

    def _checked_state(self, text: str, digest: str | None) -> dict[str, Any]:
        if digest != self._digest(text):
            raise self._corrupt("its state is not the one that was written")
        parsed = self._parsed(text)
        found = cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
        if not isinstance(found.get("format"), int):
            raise self._corrupt("its state has no format")
        if found["format"] > STATE_FORMAT:
            raise CheckpointTooNew(f"the run {self._run_id!r}", found["format"], STATE_FORMAT)
        if not _is_state(found):
            raise self._corrupt("its state has other fields than its format")
        return found

    def _checked_logs(
        self,
        seals: Mapping[str, Sequence[Any]],
        bodies: Mapping[str, Sequence[str]],
        logs: dict[str, _Log],
    ) -> Iterator[tuple[str, Sequence[Any]]]:
        for name, (length, digest) in seals.items():
            log = logs[name] = _Log()
            for body in islice(bodies.get(name, ()), length):
                log.add(body)
            if log.length < length:
                raise self._corrupt(f"item {log.length} of the log {name!r} is missing")
            if log.hexdigest() != digest:
                raise self._corrupt(f"the log {name!r} is not the one that was written")
            yield name, [self._parsed(body) for body in islice(bodies.get(name, ()), length)]

    def _digest(self, state: str) -> str:
        found = hashlib.sha256(json.dumps(self._run_id).encode())
        found.update(state.encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def _parsed(self, text: str) -> Any:
        try:
            return decode(text)
        except ValueError as error:
            raise self._corrupt(f"it has text that is no JSON: {error}") from error

    def _joined(self, texts: Sequence[Any]) -> Any:
        return self._parsed("".join(map(str, texts)))

    def _corrupt(self, problem: str) -> CheckpointCorrupt:
        return CheckpointCorrupt(self._run_id, problem)


def check(stored: StoredRun) -> Kept | None:
    """Return what was read of a run, checked and parsed; see `Sealer.check`."""
    return Sealer(stored.info.id).check(stored)


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass
class _Log:
    """A log: its length, and what its digest goes on from."""

    length: int = 0
    hash: _Hash = field(default_factory=hashlib.sha256)

    def add(self, body: str) -> None:
        """Add an item. Its length goes first: else two items could stand for one."""
        data = body.encode("utf-8", "surrogatepass")
        self.hash.update(b"%d:" % len(data))
        self.hash.update(data)
        self.length += 1

    def hexdigest(self) -> str:
        """Return the digest so far."""
        return self.hash.hexdigest()

    def is_same(self, other: _Log | None) -> bool:
        """Return whether another one has the same items."""
        return other is not None and (self.length, self.hexdigest()) == (
            other.length,
            other.hexdigest(),
        )


def _in_rows(name: str, data: Any) -> tuple[_Log, Sequence[Entry]]:
    log, entries = _Log(), list[Entry]()
    try:
        for text in chunks(data):
            entries.append(Entry(name, log.length, encode(text)))
            log.add(entries[-1].body)
    except (TypeError, ValueError) as error:
        whose = name.removeprefix(_STATE)
        raise UsageError(
            f"the state of {whose!r} cannot be kept: {error}; let its save_state() return JSON"
        ) from error
    return log, entries


def _seals(logs: Mapping[str, _Log]) -> dict[str, list[Any]]:
    return {name: [log.length, log.hexdigest()] for name, log in logs.items()}


def _is_state(state: Mapping[str, Any]) -> bool:
    """Tell whether a state has the fields of its format."""
    return (
        isinstance(state.get("turn"), int)
        and isinstance(state.get("rest"), dict)
        and all(_are_seals(state.get(key)) for key in ("logs", "states"))
    )


def _are_seals(seals: object) -> bool:
    return isinstance(seals, dict) and all(map(_is_seal, cast("dict[str, object]", seals).values()))


def _is_seal(seal: object) -> bool:
    match seal:
        case [int(length), str()]:
            return 0 <= length <= sys.maxsize
        case _:
            return False
