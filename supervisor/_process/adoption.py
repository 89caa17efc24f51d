"""Whether the kernel gives this process the orphans of its children.

PID 1 gets every orphan. On Linux any other process can ask for those below it, as a "subreaper".
`init` uses this too, so the module imports next to nothing; it leaves `ctypes` for the moment at
which it is needed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_SET_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER
_GET_SUBREAPER: Final = 37  # PR_GET_CHILD_SUBREAPER


def adopt_orphans(*, on: bool = True) -> bool:
    """Have the kernel give us the orphans of our children, or no longer; return whether it does."""
    if os.getpid() == 1:
        return True
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_SET_SUBREAPER, int(on), 0, 0, 0) == 0) and on
    except (ImportError, OSError, AttributeError):  # a Python without it
        return False


def adopts_orphans() -> bool:
    """Return whether the kernel gives us the orphans of our children already."""
    if os.getpid() == 1:
        return True
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        found = ctypes.c_int(0)
        is_known = ctypes.CDLL(None).prctl(_GET_SUBREAPER, ctypes.byref(found), 0, 0, 0) == 0
    except (ImportError, OSError, AttributeError):
        return False
    return is_known and bool(found.value)
