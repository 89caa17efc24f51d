"""The PyPI package `supervisor`, a process manager: its package has the same name as ours.

The two have one file in common, `__init__.py`. If that is ours, each public name raises an error;
if it is theirs, only the command line can still tell.
"""

from __future__ import annotations

import os


def refuse_process_manager() -> None:
    """Do nothing, unless the process manager is installed beside us.

    Raises:
        ImportError: It is.
    """
    # Not by `pathlib` or `importlib.metadata`, whose imports would take longer than all the rest.
    if os.path.exists(os.path.join(os.path.dirname(__file__), "supervisord.py")):  # noqa: PTH110, PTH118, PTH120
        raise ImportError(
            "the distribution 'supervisor' (a process manager) is installed in this environment, "
            "and its package has the same name as that of 'autogen-supervisor'; give each an "
            "environment of its own: uninstall 'supervisor' here, then reinstall "
            "'autogen-supervisor'"
        )
