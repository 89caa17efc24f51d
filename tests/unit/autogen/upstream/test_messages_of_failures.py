"""A contract test that fails says which version of AutoGen lacks which name."""

from __future__ import annotations

import importlib

import pytest
from autogen_agentchat import __version__
from autogen_agentchat.teams import RoundRobinGroupChat

from tests.unit.autogen.upstream.conftest import broken


def test_a_name_that_a_module_lacks() -> None:
    """The module, the name and the version stand in one line."""
    with pytest.raises(ImportError) as raised:
        exec("from autogen_agentchat.teams._group_chat._events import GroupChatNothing")
    module = "autogen_agentchat.teams._group_chat._events"
    expected = f"autogen-agentchat {__version__}: {module} has no name 'GroupChatNothing'"
    assert broken(raised.value) == expected


def test_an_attribute_that_a_class_lacks() -> None:
    """The class with its module, the attribute and the version stand in one line."""
    with pytest.raises(AttributeError) as raised:
        getattr(RoundRobinGroupChat, "_nothing" + "")
    said = broken(raised.value)
    assert said.startswith(f"autogen-agentchat {__version__}: autogen_agentchat.teams.")
    assert said.endswith(".RoundRobinGroupChat has no name '_nothing'")


def test_another_failure() -> None:
    """A changed behaviour has no name: the test's own says what it is."""
    assert broken(AssertionError()).endswith(f"{__version__}: it behaves differently here")


def test_a_module_that_is_missing() -> None:
    """The module is named."""
    with pytest.raises(ImportError) as raised:
        importlib.import_module("autogen_agentchat.teams._nothing")
    assert "autogen_agentchat.teams._nothing" in broken(raised.value)
