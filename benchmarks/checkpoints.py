"""What it costs to keep a run: added to a turn, written, and on disk.

The conversation: three assistants in turn, whose model answers with 500 characters after 10 ms.
Each has all that was said in its context. Turns are measured behind 100, 1,000 and 10,000 messages;
a turn is what lies between the end of one model call and the begin of the next. What is kept is
written to SQLite by a thread, beside that next call. Runs that are kept in each way, and one that
is not, take turns, each with a file of its own. What was said before is written once, beside the
first turns: these are left out.

Ways: `not-kept`, and `async`, `sync` and `exit` (the supervisor's `durability`).

Cases, for N messages:

- `turn-N`: the time of a turn.
- `added-N`: what a way adds to the median of a turn that is not kept.
- `work-N`: how much of that is processor time of the loop's own thread, which a busy machine does
  not change.
- `commit-N`: the time of one commit in the thread of the store.
- `disk-N`: the bytes on disk for each message (`async`).
- `late-KIND`: how late the loop is while an agent with a state of fifty megabytes is kept, seen by
  a task that sleeps for 1 ms again and again. The figure to look at is the 99th percentile. Kinds:
  `numbers`, `text` (one text), `notes` (many small ones).

Subject `langgraph` is LangGraph's SQLite saver, where it is installed
(`pip install langgraph-checkpoint-sqlite`): one graph with a list of messages puts them there after
each step. `commit-N` is one put, and `disk-N` the bytes for each message.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    LLMMessage,
    RequestUsage,
    UserMessage,
)

from benchmarks._record import Record, figure, record
from benchmarks._script import Effort, main, rotated
from supervisor import Supervisor
from supervisor._checkpoints.urls import open_store
from supervisor.checkpoints import CheckpointStore
from supervisor.testing import ScriptedAgent, ScriptedModel

SIZES = (100, 1_000, 10_000)
ROUNDS = 3
TURNS = 60
PAUSE = 0.01
NAMES = ("ada", "ben", "cyd")
MEGABYTES = 50
MOST_PUTS = 1_000  # LangGraph writes all messages each time

Way = Literal["not-kept", "async", "sync", "exit"]
WAYS: tuple[Way, ...] = ("not-kept", "async", "sync", "exit")


def words(number: int) -> str:
    """Return the 500 characters of a message."""
    return f"{number} {random.Random(number).randbytes(250).hex()}"[:500]


# -- the conversation -----------------------------------------------------------------------------


class Turn(NamedTuple):
    """How long a turn took."""

    seconds: float
    work: float
    """The processor time of the loop's thread, which a busy machine does not change."""

    @classmethod
    def now(cls) -> Turn:
        """Return what two of are taken between."""
        return cls(time.perf_counter(), time.thread_time())


class Model(ScriptedModel):
    """Answers after a pause, and notes how long it was not asked.

    Args:
        turns: Given what lies between the end of each call and the begin of the next.
        is_settled: Returns whether what was said before is written; the second call waits for it.
    """

    def __init__(self, turns: list[Turn], is_settled: Callable[[], bool] = lambda: True) -> None:
        super().__init__([])
        self._turns = turns
        self._is_settled = is_settled
        self._ended: Turn | None = None
        self._calls = 0

    async def create(self, messages: Sequence[LLMMessage], **_options: Any) -> CreateResult:
        """Return the next answer."""
        if self._ended is not None:
            now, ended = Turn.now(), self._ended
            self._turns.append(Turn(now.seconds - ended.seconds, now.work - ended.work))
        await asyncio.sleep(PAUSE)
        while self._calls == 1 and not self._is_settled():  # noqa: ASYNC110 - a thread's
            await asyncio.sleep(PAUSE)
        self._calls += 1
        usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
        self._ended = Turn.now()
        return CreateResult(
            finish_reason="stop", content=words(self._calls), usage=usage, cached=False
        )


async def conversation(said: int, model: Model, turns: int) -> RoundRobinGroupChat:
    """Return the team, which has said so much and takes some turns more."""
    heard = [TextMessage(content=words(n), source=NAMES[n % 3]) for n in range(said)]
    members = [AssistantAgent(n, model, model_context=_context(n, heard)) for n in NAMES]
    condition = MaxMessageTermination(turns + 1)
    team = RoundRobinGroupChat(list(members), termination_condition=condition)
    state = dict(await team.save_state())
    states = dict(cast("Mapping[str, Any]", state["agent_states"]))
    manager = {**states["RoundRobinGroupChatManager"], "message_thread": [m.dump() for m in heard]}
    await team.load_state(
        {**state, "agent_states": {**states, "RoundRobinGroupChatManager": manager}}
    )
    return team


def _context(name: str, heard: Sequence[BaseChatMessage]) -> UnboundedChatCompletionContext:
    """Return what a member holds of it: its own words, and those of others."""
    taken: list[LLMMessage] = [
        AssistantMessage(content=message.to_model_text(), source=name)
        if message.source == name
        else UserMessage(content=message.to_model_text(), source=message.source)
        for message in heard
    ]
    return UnboundedChatCompletionContext(initial_messages=taken)


class TimedStore:
    """A store that notes how long each commit takes.

    Args:
        store: The store.
        commits: Given the seconds of each.
    """

    def __init__(self, store: CheckpointStore, commits: list[float]) -> None:
        self._store = store
        self._commits = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def clone(self) -> TimedStore:
        """Return another object on the same store."""
        return TimedStore(self._store.clone(), self._commits)

    def commit(self, *args: Any, **options: Any) -> None:
        """Write what is new."""
        begun = time.perf_counter()
        self._store.commit(*args, **options)
        self._commits.append(time.perf_counter() - begun)


# -- one size -------------------------------------------------------------------------------------


def measure_turns(said: int, folder: Path, rounds: int) -> Iterator[Record]:
    """Measure behind so many messages."""
    turns: dict[Way, list[Turn]] = {way: [] for way in WAYS}
    commits: dict[Way, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in rotated(WAYS, number):
            path = folder / f"{said}.{way}.{number}.db"
            turns[way] += asyncio.run(_turns(said, way, path, commits[way]))
    seconds = {way: [turn.seconds for turn in found] for way, found in turns.items()}
    work = {way: [turn.work for turn in found] for way, found in turns.items()}
    for way in WAYS:
        yield _record(f"turn-{said}", way, seconds[way])
        if way != "not-kept":
            yield _record(f"added-{said}", way, _added(seconds["not-kept"], seconds[way]))
            yield _record(f"work-{said}", way, _added(work["not-kept"], work[way]))
            yield _record(f"commit-{said}", way, commits[way])
    size = _size(folder / f"{said}.async.0.db") / (said + TURNS)
    yield record(("checkpoints", f"disk-{said}", "async", ""), [size], unit="B")


def _record(case: str, way: str, values: Sequence[float]) -> Record:
    return record(("checkpoints", case, way, ""), values)


def _added(alone: Sequence[float], kept: Sequence[float]) -> list[float]:
    typical = statistics.median(alone)
    return [each - typical for each in kept]


async def _turns(said: int, way: Way, path: Path, commits: list[float]) -> list[Turn]:
    turns: list[Turn] = []
    took: list[float] = []
    writes_early = way in ("async", "sync")
    model = Model(turns, lambda: bool(took) or not writes_early)
    team = await conversation(said, model, TURNS)
    if way == "not-kept":
        async with Supervisor(signals={}) as sup:
            await sup.stream(team, "Go on")
        return turns[2:]
    store = cast("CheckpointStore", TimedStore(open_store(f"sqlite:///{path}"), took))
    async with Supervisor(signals={}, checkpoints=store, durability=way) as sup:
        await sup.stream(team, "Go on", id="it")
    commits += took if way == "exit" else took[1:]  # the first writes all that was said before
    return turns[2:]


def _size(path: Path) -> int:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path.stat().st_size


# -- LangGraph ------------------------------------------------------------------------------------


def measure_langgraph(said: int, folder: Path) -> Iterator[Record]:
    """Measure LangGraph's SQLite saver."""
    path = folder / f"{said}.langgraph.db"
    try:
        put = _put_into(path)
    except ImportError as error:
        print(f"LangGraph's SQLite saver: skipped, {error.name} is not installed")
        return
    whole = said <= MOST_PUTS
    for number in range(0 if whole else said - TURNS, said):
        put(number, number + 1)
    before = _size(path)
    yield _record(f"commit-{said}", "langgraph", [put(n, n + 1) for n in range(said, said + TURNS)])
    # Without the first puts: each of the last ones takes as much as a message has cost so far.
    size = _size(path) / (said + TURNS) if whole else (_size(path) - before) / TURNS
    yield record(("checkpoints", f"disk-{said}", "langgraph", ""), [size], unit="B")


def _put_into(path: Path) -> Callable[[int, int], float]:
    """Return what puts the first messages of the conversation there; it returns the seconds."""
    sqlite: Any = importlib.import_module("langgraph.checkpoint.sqlite")
    base: Any = importlib.import_module("langgraph.checkpoint.base")
    messages: Any = importlib.import_module("langchain_core.messages")
    saver = sqlite.SqliteSaver(sqlite3.connect(path, check_same_thread=False))
    said: list[Any] = []
    config: dict[str, Any] = {"configurable": {"thread_id": "it", "checkpoint_ns": ""}}

    def put(step: int, count: int) -> float:
        nonlocal config
        for number in range(len(said), count):
            name = NAMES[number % 3]
            said.append(messages.AIMessage(content=words(number), name=name, id=str(number)))
        checkpoint = base.empty_checkpoint()
        checkpoint["channel_values"] = {"messages": list(said)}
        checkpoint["channel_versions"] = {"messages": step + 1}
        metadata: dict[str, Any] = {"source": "loop", "step": step, "parents": {}}
        begun = time.perf_counter()
        config = saver.put(config, checkpoint, metadata, {"messages": step + 1})
        return time.perf_counter() - begun

    return put


# -- a large state --------------------------------------------------------------------------------


class Librarian(ScriptedAgent):
    """An agent with a large state, which it gives away as it is, and never changes.

    Args:
        library: The state.
    """

    def __init__(self, library: Mapping[str, Any]) -> None:
        super().__init__("librarian", self._turn)
        self._library = library

    async def _turn(self, _heard: Sequence[BaseChatMessage], _token: object) -> Any:
        await asyncio.sleep(0.5)
        yield "Found"

    async def save_state(self) -> Mapping[str, Any]:
        """Return the library."""
        return self._library

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take another library."""
        self._library = state


async def measure_large_states(folder: Path) -> AsyncIterator[Record]:
    """Measure how late the loop is beside an agent with a large state."""
    numbers = [random.random() for _ in range(MEGABYTES * 50_000)]
    states: dict[str, Any] = {
        "numbers": {"vectors": [numbers[n : n + 1_000] for n in range(0, len(numbers), 1_000)]},
        "text": {"text": "x" * MEGABYTES * 1_000_000},
        "notes": {"notes": [{"id": n, "text": words(n)} for n in range(MEGABYTES * 1_900)]},
    }
    for name, state in states.items():
        yield _late(name, "not-kept", await _lags(state, None))
        yield _late(name, "async", await _lags(state, f"sqlite:///{folder / name}.db"))


def _late(name: str, way: str, lags: Sequence[float]) -> Record:
    return record(("checkpoints", f"late-{name}", way, ""), lags, note=_most(lags))


def _most(lags: Sequence[float]) -> str:
    return f"at most {figure(max(lags), 's')}"


async def _lags(state: Mapping[str, Any], url: str | None) -> list[float]:
    condition = MaxMessageTermination(5)
    team = RoundRobinGroupChat([Librarian(state)], termination_condition=condition)
    lags: list[float] = []
    heart = asyncio.ensure_future(_beat(lags))
    async with Supervisor(signals={}, checkpoints=url) as sup:
        await sup.stream(team, "Look it up", id=None if url is None else "it")
    heart.cancel()
    return lags


async def _beat(lags: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        lags.append(time.perf_counter() - begun - 0.001)


def measure(effort: Effort) -> Iterator[Record]:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for said in SIZES[:2] if effort.is_quick else SIZES:
            yield from measure_turns(said, folder, 1 if effort.is_quick else ROUNDS)
            yield from measure_langgraph(said, folder)
        yield from asyncio.run(_all_of(measure_large_states(folder)))


async def _all_of(records: AsyncIterator[Record]) -> list[Record]:
    return [each async for each in records]


if __name__ == "__main__":
    main(__name__, measure)
