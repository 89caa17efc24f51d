"""What AutoGen's loader of components was making as an error was raised."""

from __future__ import annotations

from types import CodeType
from typing import Any, cast

from autogen_core import ComponentLoader, ComponentModel


def components_at_failure(error: BaseException) -> list[ComponentModel]:
    """Return the components that were being loaded, the outermost first, by an error's frames."""
    loader = cast("Any", ComponentLoader.load_component)
    code: CodeType = loader.__func__.__code__
    found: list[object] = []
    frames = error.__traceback__
    while frames is not None:
        if frames.tb_frame.f_code is code:
            found.append(frames.tb_frame.f_locals.get("loaded_model"))
        frames = frames.tb_next
    return [it for it in found if isinstance(it, ComponentModel)]
