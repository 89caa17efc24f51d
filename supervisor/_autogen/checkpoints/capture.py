"""Where a run stands, as data: taken in one step of the loop, while the run goes on.

What is taken is what a stop in this very step would leave to the next run (`history/`), written
down and not carried out. A turn that a stop would undo is written as if it had not begun: what its
agent remembers is that of the turn's savepoint. A turn in which a call was recorded is written as
it is now, with what is needed to undo it after all.

Lists of messages are logs: only what is new of them is written. Everything else is small.
"""

from __future__ import annotations

from autogen_agentchat.base import TaskResult

from supervisor._autogen.checkpoints import messages
from supervisor._autogen.checkpoints.agent_states import AgentStates
from supervisor._autogen.checkpoints.logs import Logs
from supervisor._autogen.checkpoints.output import Output, Shown
from supervisor._autogen.checkpoints.paths import named_components
from supervisor._autogen.checkpoints.restored import Restored
from supervisor._autogen.checkpoints.snapshot_builder import SnapshotBuilder
from supervisor._autogen.checkpoints.untouched import Untouched
from supervisor._autogen.messages import Item
from supervisor._autogen.run_context import RunContext
from supervisor._autogen.upstream import Group
from supervisor._checkpoints.snapshot import Snapshot


class Capture:
    """Takes snapshots of one run of a team, or of an agent.

    Args:
        team: What is run.
        context: The context of the run.
        shown: Returns what was shown in this process from a place on.
        restored: What was read of it, where it goes on.
    """

    def __init__(
        self, team: object, context: RunContext, shown: Shown, restored: Restored | None = None
    ) -> None:
        self._team = team
        self._context = context
        self._journal = context.journal
        self._logs = Logs()
        self._agents = AgentStates()
        self._output = Output(shown)
        self._groups: dict[str, Group] = {}
        self._turn = 0
        self._restored = restored
        self._untouched = Untouched(None if restored is None else restored.rest)
        self._untouched.note_lists(team, named_components(team))
        if restored is not None:
            self._turn = restored.turn
            self._output.earlier = list(restored.output())
            restored.put_openings(self._output.earlier)
            for log, items in restored.logs():
                self._logs.seed(log, items)
            for name, state in restored.states.items():
                self._agents.seed(name, state)

    def snapshot(self) -> Snapshot:
        """Return where the run stands in this step."""
        return self._take(None)

    def end(self, result: TaskResult) -> Snapshot:
        """Return the end of a run that has come to it by itself.

        Args:
            result: Its whole result.
        """
        return self._take(result)

    @property
    def earlier(self) -> list[Item]:
        """The messages of earlier processes."""
        return self._output.earlier

    def _take(self, result: TaskResult | None) -> Snapshot:
        things = named_components(self._team)
        if result is not None:  # also those that may have changed in nobody's turn
            self._agents.note_acted(set(map(id, things.values())))
        found = SnapshotBuilder(self._context, self._logs.cut(messages.dump), things, self._groups)
        found.untouched = self._untouched
        found.build(self._agents)
        if result is not None:
            self._output.end(found.cut, result.messages)
            found.rest["end"] = {"stop_reason": result.stop_reason}
        else:
            self._output.add(found.cut)
            late = self._output.late(self._journal.root)
            found.rest["late"] = [found.cut.dump(item) for item in late]
        self._logs.keep_only(found.cut.lengths)
        return Snapshot(
            turn=self._turn + self._journal.finished,
            changes=found.cut.changes,
            lengths=found.cut.lengths,
            rest=found.rest,
            states=found.states,
        )
