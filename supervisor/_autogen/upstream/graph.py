"""GraphFlow's manager: the nodes that are ready, and the edges that made them so."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager

from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.upstream.teams import ChatItem


class Graph:
    """The execution state of a graph.

    Args:
        manager: GraphFlow's manager.
    """

    def __init__(self, manager: GraphFlowManager) -> None:
        self._manager = manager

    def is_complete(self) -> bool:
        """Return whether no node is ready."""
        return not self._manager._ready

    def put_first(self, names: Sequence[str]) -> None:
        """Make nodes ready again, before those that are."""
        self._manager._ready.extendleft(reversed(list(names)))

    def take_out(self, names: Sequence[str]) -> None:
        """Undo `put_first`: these nodes are being asked."""
        for name in names:
            self._manager._ready.remove(name)

    def recall_triggers(self) -> None:
        """Restore by which edges each ready node was made so.

        AutoGen's saved state leaves that out. A graph that was loaded would never free these edges
        again, and so end at the second turn of a cycle.
        """
        manager = self._manager
        for name in manager._ready:
            for edges, rule in manager._activation.get(name, {}).items():
                is_any = rule == "any"
                if manager._enqueued_any[name][edges] if is_any else self._is_spent(name, edges):
                    manager._save_triggered_activation_group(name, edges)

    def _is_spent(self, name: str, edges: str) -> bool:
        """Return whether all of the edges were passed that make a node ready together."""
        left = self._manager._remaining.get(name)
        return left is not None and edges in left and left[edges] <= 0

    def free_triggers(self) -> None:
        """Free those edges now, as the graph does when it is asked which nodes are ready.

        Only where all that are ready are asked next: then its saved state leaves nothing out.
        """
        for name in self._manager._ready:
            self._manager._reset_triggered_activation_groups(name)

    def replay(self, said: Sequence[ChatItem], was: Collection[str]) -> None:
        """Find out anew which nodes are ready: those that what was said leads to.

        For a graph that has changed since: the state of the old one does not fit it. A node at the
        start that is new does not begin in the midst of a run.

        Args:
            said: What was said in the run so far.
            was: The nodes that the graph had then.
        """
        manager = self._manager
        self.start_over()
        spoken = [it for it in said if isinstance(it, BaseChatMessage)]
        spoken = [it for it in spoken if it.source in manager._graph.nodes]
        if spoken:
            manager._ready = deque(name for name in manager._ready if name in was)
        thread = list(manager._message_thread)
        for message in spoken:
            if message.source in manager._ready:
                manager._ready.remove(message.source)
            manager._reset_triggered_activation_groups(message.source)
            drive_sync(GraphFlowManager.update_message_thread(manager, [message]))
        manager._message_thread[:] = thread

    def start_over(self) -> None:
        """Begin at the start of the graph."""
        self._manager._reset_execution_state()
        self._manager._triggered_activation_groups = {}
