"""Which class a provider names, and whether a config fits it."""

from __future__ import annotations

from typing import Any

import pytest
from autogen_core import Component, ComponentBase
from pydantic import BaseModel, ConfigDict

from supervisor._autogen import components


def test_what_a_package_has_imported_is_not_its_own() -> None:
    """The error says where the class is defined."""
    provider = "autogen_agentchat.agents._assistant_agent.UnboundedChatCompletionContext"
    with pytest.raises(components.NoComponentError, match="defined elsewhere, in autogen_core"):
        components.class_of(provider, ["autogen_agentchat"])


class _Config(BaseModel):
    model_config = ConfigDict(extra="allow")
    size: int


class _Anything(ComponentBase[_Config], Component[_Config]):
    component_type = "agent"
    component_config_schema = _Config


def test_a_class_that_takes_any_key_has_no_unknown_one() -> None:
    """Its own keys are checked all the same."""
    config: dict[str, Any] = {"size": 1, "x": 2}
    node = {"provider": "some.Anything", "component_type": "agent", "config": config}
    assert components.mismatch(_Anything, node) is None
    config["size"] = "large"
    found = components.mismatch(_Anything, node)
    assert found is not None
    assert found[0] == ("config", "size")
