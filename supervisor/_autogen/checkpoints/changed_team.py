"""A run that goes on in a team of another shape: `allow_changed=True`.

What is kept of members that are there no more is left out. A member that is new has heard what was
said so far. The next speaker is who was to speak next, or the next that is there still. A graph
finds out anew which nodes are ready, by what was said: its old counts do not fit its new edges.

Not possible: a Swarm goes on with whom it has handed off to, and MagenticOne with its plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.base import Team
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage
from autogen_agentchat.teams import Swarm

from supervisor._autogen import upstream
from supervisor._autogen.history.resume import NextSpeakers, ResumingTeam, resume_member
from supervisor._autogen.messages import Item
from supervisor._autogen.upstream import Group, ManagerState
from supervisor._core.errors import RunMismatch


class ChangedTeam:
    """The teams of a run, of which some were changed since it was kept.

    Args:
        run_id: The run; for the errors.
        shape: The shape that was kept; None where it is the same now.
    """

    def __init__(self, run_id: str, shape: Any) -> None:
        self.is_changed = shape is not None
        """Whether any was."""
        self._run_id = run_id
        self._members = dict(_members(shape)) if shape.__class__ is dict else {}

    def was(self, team: str) -> Sequence[str]:
        """Return the members that a team had, in their order; none where that is not known."""
        return self._members.get(team, ())

    def state(self, team: str, group: Group, state: ManagerState) -> ManagerState:
        """Return what of a manager's state fits the members that it has now."""
        if not self.is_changed:
            return state
        if group.graph is not None:  # it is found out anew
            return {}
        return upstream.fitted(group.manager, state, self.was(team))

    def check(self, team: Any, group: Group, data: Mapping[str, Any]) -> None:
        """Raise where a team cannot go on.

        Args:
            team: The team.
            group: Its members, and its manager with what was said.
            data: What was written of it.

        Raises:
            RunMismatch: It cannot.
        """
        if not self.is_changed:
            return
        if group.orchestrator is not None and "ledger" not in data:
            self._refuse(f"{team.name!r} had no plan, as a MagenticOneGroupChat needs it")
        if not isinstance(team, Swarm):
            return
        handoffs = [it.target for it in reversed(group.thread) if isinstance(it, HandoffMessage)]
        target = handoffs[0] if handoffs else next(iter(group.names))
        if target not in group.names and target in self.was(team.name):
            self._refuse(f"{team.name!r} was handed off to {target!r}, which is not in it now")

    def _refuse(self, difference: str) -> None:
        raise RunMismatch(self._run_id, "members", difference)

    def tell_new_members(self, team: str, group: Group) -> None:
        """Let the members that are new hear what was said before they came."""
        was = self.was(team)
        heard = [it for it in group.thread if isinstance(it, BaseChatMessage)]
        for name in group.names:
            if was and name not in was:
                group.put_buffer(name, list(heard))

    def put_graph(
        self, team: str, group: Group, said: Iterable[str], unasked: Sequence[Item]
    ) -> None:
        """Have a graph go on where what was said leads to.

        Args:
            team: The team's name.
            group: The team.
            said: The ids of what its run was given and has said; none where it was not at work.
            unasked: An answer about which its condition was not asked yet.
        """
        assert group.graph is not None
        ids = set(said)
        starts = [place for place, item in enumerate(group.thread) if item.id in ids]
        if not starts:
            return
        group.graph.replay(group.thread[starts[0] :], self.was(team) or list(group.names))
        if group.graph.is_complete():  # it ends, as after the last node's answer
            NextSpeakers(group, [], unasked=group.thread[-1:])
        elif unasked:
            NextSpeakers(group, [], unasked=unasked)

    def let_teams_go_on(self, groups: Iterable[Group]) -> None:
        """Let members that are teams be asked with nothing new, which AutoGen would refuse."""
        for group in groups if self.is_changed else ():
            for name in group.names:
                agent = group.agent(name)
                is_free = isinstance(agent, Team) and not isinstance(agent, ResumingTeam)
                if is_free and not group.buffer(name):
                    resume_member(group, name, agent)


def _members(shape: Mapping[str, Any]) -> Iterable[tuple[str, list[str]]]:
    """Yield the members of each team in a shape, the outermost last."""
    inner = cast("list[dict[str, Any]]", shape.get("members", []))
    for one in inner:
        yield from _members(one)
    yield str(shape.get("name", "")), [str(one.get("name", "")) for one in inner]
