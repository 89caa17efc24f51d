"""Which versions of AutoGen the supervisor was made for.

The parts of AutoGen that it has to know have no promise: the next version can change them without a
word. What is installed by hand, against what pip says, is therefore refused at its first use. A run
that cannot be stopped would be worse.
"""

from __future__ import annotations

from typing import Final

from supervisor._core.errors import UsageError

AUTOGEN: Final = "autogen-agentchat"
SUPPORTED: Final = ">=0.7,<0.8"
"""As pyproject.toml has it."""
_LINE: Final = "0.7."


def is_supported(version: str) -> bool:
    """Return whether a version of AutoGen is one of those that the supervisor was made for."""
    return version.startswith(_LINE)


def refuse_unsupported(version: str) -> None:
    """Raise an error if AutoGen has another version than the supervisor can work with.

    Raises:
        UsageError: It has; the message says which to install.
    """
    if not is_supported(version):
        raise UsageError(
            f"{AUTOGEN} {version} is installed, and this version of autogen-supervisor works with "
            f"{SUPPORTED} only; install that: pip install '{AUTOGEN}{SUPPORTED}'"
        )
