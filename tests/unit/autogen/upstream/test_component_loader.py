"""AutoGen's loader of components: what it was making as it failed, and its short names."""

from __future__ import annotations

import pytest
from autogen_core import ComponentLoader, _component_config

from supervisor._autogen import upstream
from supervisor._cli.team_file.providers import ALIASES

_TEAM = "autogen_agentchat.teams.RoundRobinGroupChat"
_CONDITION = "autogen_agentchat.conditions.MaxMessageTermination"


def test_the_components_of_a_failure_are_found() -> None:
    """The last one is the one whose loading has raised, inside of those that hold it."""
    inner = {"provider": _CONDITION, "config": {"max_messages": "many"}}
    outer = {"provider": _TEAM, "config": {"participants": [inner]}}
    with pytest.raises(ValueError, match="max_messages") as raised:
        ComponentLoader.load_component(outer, object)
    found = upstream.components_at_failure(raised.value)
    assert [it.provider for it in found] == [_TEAM, _CONDITION]
    assert found[1].config == inner["config"]


def test_another_failure_has_no_component() -> None:
    """What was raised elsewhere has no such frame."""
    assert not upstream.components_at_failure(ValueError())


def test_the_short_names_are_those_of_autogen() -> None:
    """A name that its loader maps to another one is looked at as that one; 0.7.4 has fewer."""
    assert _component_config.WELL_KNOWN_PROVIDERS.items() <= ALIASES.items()
