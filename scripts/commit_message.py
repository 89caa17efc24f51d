"""Refuse a commit message whose form is wrong: `python scripts/commit_message.py FILE`.

The subject is imperative, begins with a capital letter or with the part that it is about
(`docs: ...`), has no full stop, and is at most 72 columns wide. The second line is empty.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

WIDTH: Final = 72
# Git writes these by itself, and removes some again.
EXEMPT: Final = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")


def faults(message: str) -> list[str]:
    """Return what is wrong with the message, each with what to do instead.

    Args:
        message: The whole text. Lines that begin with `#` are git's own, and are left out.
    """
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(EXEMPT):
        return []
    found: list[str] = []
    if not subject.strip():
        found.append("there is no subject; say in the first line what the commit does")
    if len(subject) > WIDTH:
        found.append(f"the subject has {len(subject)} columns; use at most {WIDTH}")
    if subject.endswith("."):
        found.append("the subject ends with a full stop; leave it out")
    if len(lines) > 1 and lines[1].strip():
        found.append("the second line is not empty; put an empty line before the body")
    return found


def main() -> int:
    """Print the faults of the message in the file; return the exit status."""
    found = faults(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for fault in found:
        print(f"commit message: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
