"""The tables of AutoGen's components: complete, right, and with the extra that each one needs."""

from __future__ import annotations

import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from supervisor._autogen import components
from supervisor._cli.team_file.providers import HARMLESS, PACKAGES, RISKY, requirement

_NAMED = re.compile(r'component_provider_override = "(.+?)"')


def _named_in_source() -> set[str]:
    """Return the names that AutoGen's classes give themselves, also where an extra is missing."""
    found: set[str] = set()
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None
        for folder in spec.submodule_search_locations or ():
            for path in Path(folder).rglob("*.py"):
                found.update(_NAMED.findall(path.read_text(encoding="utf-8")))
    return found


def test_each_component_of_autogen_is_in_a_table() -> None:
    """A class that a new release adds makes this test fail: somebody has to read it."""
    named = _named_in_source()
    assert len(named) > 50
    assert named <= {*HARMLESS, *RISKY}


def test_no_component_is_in_both_tables() -> None:
    """A component is harmless or it is not."""
    assert not HARMLESS & RISKY.keys()


# What it calls itself differs from its place: that is `autogen_ext.memory.redis`.
_MISNAMED = "autogen_ext.memory.redis_memory.RedisMemory"


@pytest.mark.filterwarnings("ignore:Support for class-based `config`")  # of AutoGen's own modules
@pytest.mark.parametrize("provider", sorted({*HARMLESS, *RISKY} - {_MISNAMED}))
def test_each_name_in_the_tables_is_a_component(provider: str) -> None:
    """Each is importable and a component, or its package is missing and an extra is known."""
    try:
        found = components.class_of(provider, PACKAGES)
    except ImportError:
        is_known = requirement(provider).endswith("]")
    else:
        is_known = found.__name__ == provider.rpartition(".")[2]
    assert is_known


@pytest.mark.parametrize(
    ("provider", "needed"),
    [
        ("autogen_ext.models.openai.OpenAIChatCompletionClient", "autogen-ext[openai]"),
        ("autogen_ext.tools.mcp.McpWorkbench", "autogen-supervisor[mcp]"),
        ("autogen_ext.new.Component", "autogen-ext"),
        ("autogen_core.tools.FunctionTool", ""),
        ("mine.Agent", ""),
    ],
)
def test_what_is_missing_is_named_as_pip_takes_it(provider: str, needed: str) -> None:
    """A class of autogen_ext needs one of its extras."""
    assert requirement(provider) == needed


def test_each_extra_is_one_of_autogen_ext() -> None:
    """What the error tells to install exists."""
    metadata = importlib.import_module("importlib.metadata").metadata("autogen-ext")
    extras = set(metadata.get_all("Provides-Extra"))
    named = {requirement(provider) for provider in (*HARMLESS, *RISKY)}
    asked = {found.group(1) for name in named if (found := re.search(r"\[(.+)\]", name))}
    assert asked <= extras
