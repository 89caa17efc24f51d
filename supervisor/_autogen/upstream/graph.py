"""GraphFlow's manager: the nodes that are ready, and the edges that made them so."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Sequence

from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager


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

    def start_over(self) -> None:
        """Begin at the start of the graph."""
        self._manager._reset_execution_state()
        self._manager._triggered_activation_groups = {}
