"""What AutoGen's loader of components was making as an error was raised."""

from __future__ import annotations

from types import CodeType
from typing import Any, cast

from autogen_core import ComponentLoader, ComponentModel


def component_at_failure(error: BaseException) -> ComponentModel | None:
    """Return the innermost component that was being loaded, by the frames of an error."""
    loader = cast("Any", ComponentLoader.load_component)
    code: CodeType = loader.__func__.__code__
    found: object = None
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_code is code:
            found = frames.tb_frame.f_locals.get("loaded_model", found)
        frames = frames.tb_next
    return found if isinstance(found, ComponentModel) else None
