"""What it costs to keep a run: added to a turn, written, and on disk; beside LangGraph's saver.

The conversation: three assistants in turn, whose model answers with 500 characters after 10 ms;
each has all that was said in its context. Turns are measured behind 100, 1,000 and 10,000 messages.
A turn is what lies between the end of one model call and the begin of the next; what is kept is
written beside that next call. Runs that are kept in each way, and one that is not, take turns. What
was said before is written once, beside the first turns: these are told apart from the others.

Beside it the same messages through LangGraph's SQLite saver, as one graph with a list of messages
puts them there after each step, where it is installed: `pip install langgraph-checkpoint-sqlite`.

Last, how long the loop stands still while an agent with a state of fifty megabytes is kept.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
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

from benchmarks._bench import centile, milliseconds, result
from supervisor import Supervisor
from supervisor._checkpoints.urls import open_store
from supervisor.checkpoints import CheckpointStore
from supervisor.testing import ScriptedAgent, ScriptedModel

SIZES = tuple(map(int, sys.argv[1:])) or (100, 1_000, 10_000)
ROUNDS = 4
TURNS = 60
PAUSE = 0.01
NAMES = ("ada", "ben", "cyd")
MEGABYTES = 50
MOST_PUTS = 1_000  # LangGraph writes all messages each time

Way = Literal["not kept", "async", "sync", "exit"]
WAYS: tuple[Way, ...] = ("not kept", "async", "sync", "exit")


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


async def measure(said: int, folder: Path) -> None:
    """Print what is measured behind so many messages."""
    turns: dict[Way, list[Turn]] = {way: [] for way in WAYS}
    commits: dict[Way, list[float]] = {way: [] for way in WAYS}
    for number in range(ROUNDS):
        for way in (*WAYS[number % 4 :], *WAYS[: number % 4]):
            path = folder / f"{said}.{way}.{number}.db"
            turns[way] += await _turns(said, way, path, commits[way])
    alone = turns["not kept"]
    what = f"behind {said:,} messages"
    result(f"a turn that is not kept, {what}", milliseconds([turn.seconds for turn in alone]))
    for way in WAYS[1:]:
        longer = _added([turn.seconds for turn in alone], [turn.seconds for turn in turns[way]])
        work = _added([turn.work for turn in alone], [turn.work for turn in turns[way]])
        figure = f"{longer}; of the loop's own work {work}"
        result(f'added to a turn by durability="{way}", {what}', figure)
    for way in WAYS[1:]:
        result(f'a commit of "{way}", {what}', milliseconds(commits[way]))
    size = _size(folder / f"{said}.async.0.db")
    count = said + TURNS
    result(f"on disk, {count:,} messages", f"{size / 1e6:.2f} MB, {size / count:,.0f} B each")


def _added(alone: Sequence[float], kept: Sequence[float]) -> str:
    median = statistics.median(kept) - statistics.median(alone)
    p99 = centile(kept, 0.99) - centile(alone, 0.99)
    return f"median {median * 1e3:+.2f} ms, p99 {p99 * 1e3:+.2f} ms"


async def _turns(said: int, way: Way, path: Path, commits: list[float]) -> list[Turn]:
    turns: list[Turn] = []
    took: list[float] = []
    writes_early = way in ("async", "sync")
    model = Model(turns, lambda: bool(took) or not writes_early)
    team = await conversation(said, model, TURNS)
    if way == "not kept":
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


def measure_langgraph(said: int, folder: Path) -> None:
    """Print the same of LangGraph's SQLite saver."""
    who = "LangGraph's SQLite saver"
    try:
        put = _put_into(folder / f"{said}.langgraph.db")
    except ImportError as error:
        result(who, f"skipped, for {error.name} is not installed")
        return
    whole = said <= MOST_PUTS
    for number in range(0 if whole else said - TURNS, said):
        put(number, number + 1)
    before = _size(folder / f"{said}.langgraph.db")
    took = [put(number, number + 1) for number in range(said, said + TURNS)]
    size = _size(folder / f"{said}.langgraph.db")
    result(f"{who}: a put, behind {said:,} messages", milliseconds(took))
    turns = said + TURNS
    if whole:
        figure = f"{size / 1e6:.2f} MB, {size / turns:,.0f} B each"
    else:
        last = (size - before) / TURNS
        figure = f"{last / 1e6:.2f} MB a step, so about {last * turns / 2e9:.0f} GB"
    result(f"{who}: on disk, {turns:,} messages", figure)


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


async def measure_large_states(folder: Path) -> None:
    """Print how long the loop stands still beside an agent with a large state."""
    numbers = [random.random() for _ in range(MEGABYTES * 50_000)]
    states: dict[str, Any] = {
        "numbers": {"vectors": [numbers[n : n + 1_000] for n in range(0, len(numbers), 1_000)]},
        "one text": {"text": "x" * MEGABYTES * 1_000_000},
        "notes": {"notes": [{"id": n, "text": words(n)} for n in range(MEGABYTES * 1_900)]},
    }
    for name, state in states.items():
        alone = await _lags(state, None)
        kept = await _lags(state, f"sqlite:///{folder / name.replace(' ', '-')}.db")
        figure = f"{milliseconds(kept)}, max {max(kept) * 1e3:.1f} ms"
        without = f"{milliseconds(alone)}, max {max(alone) * 1e3:.1f} ms"
        what = f"the loop is late, with {MEGABYTES} MB of {name} in a state"
        result(what, f"{figure}; not kept {without}")


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


def main() -> None:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for said in SIZES:
            asyncio.run(measure(said, folder))
            measure_langgraph(said, folder)
        asyncio.run(measure_large_states(folder))


if __name__ == "__main__":
    main()
