"""Contract tests: GraphFlow's manager."""

from __future__ import annotations

from typing import Any

from supervisor._autogen.repair_thread import drive_sync
from tests.unit.autogen.upstream.parts import group_after_a_run
from tests.unit.testing.teams import graph


async def test_a_selection_drains_the_ready() -> None:
    """GraphFlow's `select_speaker` takes all of `_ready`, without waiting."""
    group = await group_after_a_run(graph())
    manager: Any = group.manager
    assert drive_sync(manager.select_speaker([])) == ["a"]
    assert group.graph is not None
    assert group.graph.is_complete()
    group.graph.put_first(["b", "c"])
    group.graph.take_out(["b"])
    assert list(manager._ready) == ["c"]
    group.graph.start_over()
    assert list(manager._ready) == ["a"]
    assert manager._triggered_activation_groups == {}


async def test_reset_execution_state_keeps_the_triggered_groups() -> None:
    """`_reset_execution_state` keeps `_triggered_activation_groups`; we clear them as well."""
    group = await group_after_a_run(graph())
    manager: Any = group.manager
    manager._triggered_activation_groups = {"d": {"d"}}
    manager._reset_execution_state()
    assert manager._triggered_activation_groups, "fixed upstream: it need not be cleared any more"


async def test_a_loaded_graph_recalls_what_made_its_nodes_ready() -> None:
    """`_activation`, `_enqueued_any`, `_remaining` show which edges were passed, after a load."""
    group = await group_after_a_run(graph())
    manager: Any = group.manager
    manager._ready.append("d")
    for edges, rule in manager._activation["d"].items():
        assert rule == "all"
        manager._remaining["d"][edges] = 0
    manager._triggered_activation_groups.clear()
    assert group.graph is not None
    group.graph.recall_triggers()
    assert manager._triggered_activation_groups["d"] == set(manager._activation["d"])
    group.graph.free_triggers()
    assert not manager._triggered_activation_groups["d"]
    assert all(left > 0 for left in manager._remaining["d"].values())
