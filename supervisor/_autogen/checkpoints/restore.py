"""A run that was kept, put into a team: a fresh one in another process, or the same one again.

First everything that is remembered: threads, buffers, model contexts, agents. Then who speaks next,
by the same stand-ins as after a stop in one process (`history/resume.py`). Then the turns that were
kept open, by the same repair (`history/team_repair.py`). Then conditions and counters, so that the
run counts on.

A run that goes on is the same run: conditions are where they were, and the result of a team within
a turn has what its members said before.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import BaseGroupChat
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen import results, upstream
from supervisor._autogen.checkpoints.agent_states import load_state, put_agent_state
from supervisor._autogen.checkpoints.calls.recalled import Recalled
from supervisor._autogen.checkpoints.changed_team import ChangedTeam
from supervisor._autogen.checkpoints.conditions import PutCondition
from supervisor._autogen.checkpoints.items import InThread, Items, at_once, types_of
from supervisor._autogen.checkpoints.kept_turns import KeptTurns, Recall
from supervisor._autogen.checkpoints.memories import (
    contexts_of,
    log_of_context,
    log_of_list,
    own_lists,
)
from supervisor._autogen.checkpoints.paths import named_components
from supervisor._autogen.checkpoints.plain import from_plain
from supervisor._autogen.checkpoints.restored import (
    Restored,
    members_in,
    openings_in,
    without_team_events,
)
from supervisor._autogen.checkpoints.team_record import log_of_team
from supervisor._autogen.checkpoints.untouched import is_fresh, is_programs
from supervisor._autogen.history.memory import as_context_takes
from supervisor._autogen.history.openings import put_openings
from supervisor._autogen.history.resume import (
    EarlierRun,
    NextSpeakers,
    OneShotOverride,
    ResumingTeam,
    behind,
    resume_member,
)
from supervisor._autogen.history.team_run import stand_ins_of
from supervisor._autogen.repair_thread import repair_in_thread
from supervisor._autogen.upstream import Group
from supervisor._checkpoints.snapshot import Kept
from supervisor._checkpoints.store import CallRecord
from supervisor._core.errors import CheckpointCorrupt


async def restore(
    team: object,
    kept: Kept,
    calls: Sequence[CallRecord] = (),
    recall: Recall | None = None,
    was: Any = None,
    in_thread: InThread = at_once,
) -> Restored:
    """Put a run that was kept into a team, so that it goes on where it stood.

    Args:
        team: A team of the same shape, which is not at work: a fresh one, or the one that was
            stopped. Then run it without a task.
        kept: What was read of the run.
        calls: What was recorded in its open turns.
        recall: Lets a turn have what was recorded in it: `ToolGate.recall`. Its `make_again` is
            then to be awaited before the run goes on.
        was: The shape of the team that was kept, where it is another now.
        in_thread: Where the messages are parsed; the default is here.

    Returns:
        What is left to do.

    Raises:
        RunMismatch: The team was changed, and cannot go on.
        UnknownMessage: The team does not know the type of a message.
        CheckpointCorrupt: What was read is not what a snapshot consists of.
    """
    try:
        changed = ChangedTeam(kept.run_id, was)
        restoration = _Restoration(team, kept, calls, recall or Recalled().put, changed)
        await restoration.items.parse_ahead(in_thread)
        return await restoration.carry_out()
    except (IndexError, KeyError) as error:
        raise CheckpointCorrupt(kept.run_id, f"it lacks {error}") from error


async def _clear(team: BaseGroupChat) -> None:
    """Let a team forget a run that is not kept: it had not begun then."""
    group = upstream.group_of(team)
    if group is not None:
        group.unlock()
        for member in group.names:
            group.put_agent(member, behind(group.agent(member)))
            group.put_buffer(member, [])
        put_openings(group, {})
        await group.manager.reset()


def _put_back_stand_ins(agent: Any) -> None:
    if isinstance(agent, SocietyOfMindAgent):
        for attribute, stand_in in stand_ins_of(agent):
            setattr(agent, attribute, stand_in.team)


class _Restoration:
    """Puts one run into its team; the arguments are those of `restore`."""

    def __init__(
        self,
        team: object,
        kept: Kept,
        calls: Sequence[CallRecord],
        recall: Recall,
        changed: ChangedTeam,
    ) -> None:
        self._changed = changed
        self._kept = kept
        self._rest = kept.rest
        self._teams = cast("dict[str, dict[str, Any]]", self._rest["teams"])
        self._calls = calls
        self._recall = recall
        self._things = named_components(team)
        self.items = Items(types_of(self._things.values()), kept.run_id, kept.logs)
        """What was read as messages."""
        self._groups: dict[str, Group] = {}
        self._undone: set[str] = set()
        self._openings: list[tuple[str, str, list[Any]]] = []
        self._earlier: dict[str, EarlierRun] = {}
        self._restored = Restored(kept.turn, bool(self._rest["has_taken_task"]))
        self._restored.states, self._restored.rest = kept.states, self._rest
        self._is_fresh = is_fresh(team, self._things.values())

    async def carry_out(self) -> Restored:
        """Do all of it."""
        for name, thing in self._things.items():
            _put_back_stand_ins(thing)
            if isinstance(thing, BaseGroupChat):
                await self._put_team(name, thing)
        for name, thing in self._things.items():
            await self._put_memory(name, thing)
        if self._may_wait():
            await repair_in_thread(self._put_run)
        else:
            self._put_run()
        return self._restored

    def _may_wait(self) -> bool:
        """Return whether code of the user's is called, which may really wait."""
        called = [it for it in self._things.values() if isinstance(it, ChatCompletionContext)]
        conditions = [group.condition for group in self._groups.values()]
        return not all(it is None or upstream.is_autogens(it) for it in (*called, *conditions))

    def _put_run(self) -> None:
        """Put what is no memory: turns, speakers, conditions, and what was said."""
        for name in self._groups:
            self._put_speakers(name)
        self._put_kept_turns()
        for inner in self._rest["within"]:
            self._put_within(inner)
        self._restored.openings = openings_in(
            self._openings, self._groups, self._rest["within"], self._earlier
        )
        self._changed.let_teams_go_on(self._groups.values())
        self._put_counters()
        self._put_output()

    def _log(self, name: str) -> list[Any]:
        """Return the messages of a log."""
        found = [self.items.parse(data) for data in self._kept.logs.get(name, ())]
        if found:
            self._restored.written[name] = found
        return found

    def _parse(self, items: Iterable[Any]) -> list[Any]:
        """Return messages that were written one by one."""
        return [self.items.parse(item) for item in items]

    # -- what is remembered ---------------------------------------------------------------------

    async def _put_team(self, name: str, team: BaseGroupChat) -> None:
        data = self._teams.get(name)
        if data is None:
            await _clear(team)
            return
        group = self._groups[name] = await upstream.make_group(team)
        group.unlock()
        group.thread[:] = self._log(log_of_team("thread", name))
        for member in group.names:
            group.put_agent(member, behind(group.agent(member)))
            due = self._log(log_of_team("due", name, member))
            end = len(due) - data["later"].get(member, 0)
            group.put_buffer(member, due[:end], due[end:])
        state = from_plain(data["state"], self.items.parse)
        group.put_state(self._changed.state(team.name, group, state))
        openings = data.get("openings", {})
        put_openings(group, {m: [*map(self.items.parse, said)] for m, said in openings.items()})
        for place, context in contexts_of(name, group):
            await self._put_memory(place, context)
        for said in data.get("unheard", ()):
            group.add([self.items.parse(item) for item in said])
        self._changed.check(team, group, data)
        self._changed.tell_new_members(team.name, group)

    async def _put_memory(self, name: str, thing: object) -> None:
        if isinstance(thing, ChatCompletionContext):
            await self._put_context(name, thing)
            return
        given = {attribute for attribute, items in own_lists(thing) if items and self._is_fresh}
        if name in self._kept.states:
            await put_agent_state(thing, self._kept.states[name], self._kept.run_id)
        for attribute, items in own_lists(thing):
            log = log_of_list(name, attribute)
            found = self._log(log)
            is_new = attribute in given and not found
            if not is_programs(self._rest, log, is_new=is_new):
                items[:] = found

    async def _put_context(self, name: str, context: ChatCompletionContext) -> None:
        if upstream.saved_messages(context) is not None:
            upstream.put_messages(context, list(self._log(log_of_context(name))))
            return
        if name in self._kept.states:
            state, run_id = self._kept.states[name], self._kept.run_id
            await load_state(context, f"model context {name!r}", state, run_id)

    # -- who speaks next ------------------------------------------------------------------------

    def _put_speakers(self, name: str) -> None:
        data, group = self._teams[name], self._groups[name]
        override = vars(group.manager).get("select_speaker")
        if isinstance(getattr(override, "__self__", None), NextSpeakers):
            vars(group.manager).pop("select_speaker")
        vars(group.manager).pop("on_message_impl", None)
        speakers, restart = data.get("speakers"), data.get("restart")
        if self._changed.is_changed and group.graph is not None:
            self._put_changed_graph(name, group, speakers)
        elif speakers is not None:
            self._put_next(name, group, speakers)
        if restart is not None:
            OneShotOverride(
                group,
                is_replanning=restart["is_replanning"],
                asked=[asked for asked in restart["asked"] if asked in group.names],
                unheard=self._parse(restart["unheard"]),
            )

    def _put_next(self, name: str, group: Group, speakers: Mapping[str, Any]) -> None:
        names = [it for it in speakers["names"] if it in group.names]
        if speakers["names"] and not names:  # the team was changed: its manager selects
            return
        if group.graph is not None and speakers["is_first"]:
            group.graph.put_first(names)
        then = from_plain(speakers["then"], self.items.parse)
        then = self._changed.state(self._things[name].name, group, then)
        unasked = self._parse(speakers["unasked"])
        NextSpeakers(group, names, then=then, unasked=unasked)

    def _put_changed_graph(
        self, name: str, group: Group, speakers: Mapping[str, Any] | None
    ) -> None:
        unasked = self._parse((speakers or {}).get("unasked", ()))
        logs = (log_of_team("task", name), *(() if name else ("output",)))
        said = [item["id"] for log in logs for item in self._kept.logs.get(log, ())]
        self._changed.put_graph(self._things[name].name, group, said, unasked)

    # -- turns that are kept, and runs that go on within a turn ---------------------------------

    def _put_kept_turns(self) -> None:
        turns = KeptTurns(self._things, self._groups, self._calls, self._recall)
        for data in self._rest["turns"]:
            if data["agent"] not in self._things:  # the team was changed, and may be
                continue
            events = self._log(log_of_team("events", data["agent"]))
            turns.add(data, events)
        for data in self._rest.get("unclaimed", ()):
            if data["agent"] in self._things:
                turns.recall(data)
        restored = self._restored
        restored.remains, self._openings = turns.remains, turns.openings
        for log in turns.changed:
            restored.written.pop(log, None)
        self._undone = {item.id for item in turns.undone}
        restored.has_taken_task = restored.has_taken_task or turns.has_kept_agent

    def _put_within(self, data: Mapping[str, Any]) -> None:
        agent, inner = self._things.get(data["agent"]), self._groups.get(data["team"])
        if agent is None or inner is None:  # the team was changed, and may be
            return
        earlier = EarlierRun(
            inner,
            self._log(log_of_team("task", data["team"])),
            self._said(data["team"]),
            deltas=[self._parse(delta) for delta in data.get("deltas", ())],
            turns=data["turns"],
            has_ended=data["has_ended"],
            put_condition=PutCondition(data["condition"], self._kept.run_id),
            is_same_turn=True,
        )
        earlier.unfinished.extend(self._parse(data.get("unfinished", ())))
        self._earlier[data["team"]] = earlier
        if isinstance(agent, SocietyOfMindAgent):
            self._put_society(data["agent"], agent, earlier)
            return
        for group in self._groups.values():
            for name in group.names:
                if group.agent(name) is agent:
                    resume_member(group, name, agent, earlier)

    def _said(self, team: str) -> list[Any]:
        """Return what the members of a team have said in its run, those of inner teams last."""
        said = self._log(log_of_team("said", team))
        for name in members_in(team, self._rest["within"]):
            said = results.with_new(said, self._said(name))
        return said

    def _put_society(self, name: str, agent: SocietyOfMindAgent, earlier: EarlierRun) -> None:
        attribute = next(a for a, value in vars(agent).items() if isinstance(value, BaseGroupChat))
        team = getattr(agent, attribute)
        put_back = functools.partial(setattr, agent, attribute, team)
        setattr(agent, attribute, ResumingTeam(team, put_back, earlier, is_replayed=True))
        if not name:  # it is run alone: it has the task, and goes on without
            task = [m for m in earlier.task if not isinstance(m, HandoffMessage) or m.target]
            context = cast(Any, agent).model_context
            held = upstream.messages_of(context) or []
            upstream.put_messages(context, [*held, *as_context_takes(task)])

    def _put_counters(self) -> None:
        within = {data["team"] for data in self._rest["within"]}
        for name, data in self._teams.items():
            group, put = self._groups.get(name), PutCondition(data["condition"], self._kept.run_id)
            if group is None:  # the team was changed, and may be
                continue
            if group.orchestrator is not None:  # `check` has seen that it is there
                group.orchestrator.put_ledger(data["ledger"])
            group.termination.recount(data["turns"], [], put)
            if name not in within and (data["condition"] is not None or data["turns"]):
                EarlierRun(
                    group,
                    [],
                    [],
                    deltas=[],
                    turns=data["turns"],
                    has_ended=False,
                    put_condition=put,
                ).resume(is_anew=False)

    # -- the output -----------------------------------------------------------------------------

    def _put_output(self) -> None:
        rest, restored = self._rest, self._restored
        end = rest.get("end")
        if end is not None:
            restored.shown = self._log("output")
            restored.has_ended, restored.stop_reason = True, end["stop_reason"]
            return
        if not restored.has_taken_task:  # it is given the task again, and says all of it again
            restored.shown = []
            return
        undone = self._undone.union(rest["undone"])
        shown = self._log("shown")
        late = self._parse(rest["late"])
        for data in rest["within"]:
            late = results.with_new(late, self._log(log_of_team("said", data["team"])))
        thread = self._groups[""].thread if "" in self._groups else []
        restored.held = list(thread[rest["start"] :])
        now = results.merged(results.with_new(shown, late), restored.held)
        now = results.with_new(self._log("task"), now)
        now = without_team_events([item for item in now if item.id not in undone])
        restored.shown = results.with_new(self._log("output"), now)
        ended = rest.get("ended")
        if ended is not None:
            restored.has_ended, restored.stop_reason = True, ended["stop_reason"]
        for log in ("shown", "output"):
            restored.written.pop(log, None)
        restored.written["output"] = restored.shown[: len(self._kept.logs.get("output", ()))]
