"""Teams and agents from AutoGen's component format."""

from __future__ import annotations

import copy
from typing import Any, cast

from autogen_core import ComponentLoader

from supervisor._autogen.adapter import Runnable


def load(config: dict[str, Any]) -> Runnable:
    """Make a team or an agent from a config, which stays as it is."""
    made = ComponentLoader.load_component(copy.deepcopy(config), object)
    return cast("Runnable", made)
