"""Findings: how one is shown to a person and to a log."""

from __future__ import annotations

import json

from supervisor._reports.findings import Finding, Findings


def test_an_agent_that_is_run_by_itself_has_no_team() -> None:
    """The run of a single agent has its name, which is not said twice."""
    assert str(Finding(kind="task", name="Task-1", agent="ann", team="ann")) == "  agent 'ann'"


def test_the_facts_are_fit_for_a_log() -> None:
    """Facts are names and numbers, which JSON can hold; unknown ones are left out."""
    finding = Finding(kind="task", name="mule", asked=1.5, stack=("work (mine.py:1)",))
    [facts] = Findings((finding,), 1).facts()
    assert json.loads(json.dumps(facts))["asked"] == 1.5
    assert set(facts) == {"kind", "name", "asked", "stack"}
