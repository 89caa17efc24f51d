"""Something in a team file that needs the user's trust, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor._cli.team_file.nodes import printable, shown


@dataclass(frozen=True)
class Risk:
    """Something that needs trust.

    Args:
        where: Its path in the file.
        what: What it does.
        detail: The command, address or code, "" if there is none.
    """

    where: str
    what: str
    detail: str = ""

    def in_one_line(self) -> str:
        """Return it for an error."""
        detail = f": {shown(self.detail)}" if self.detail else ""
        return f"{self.where} {self.what}{detail}"

    def in_full(self) -> str:
        """Return it with each line of its code."""
        lines = self.detail.splitlines()
        if len(lines) <= 1:
            return f"{self.where} {self.what}{f': {printable(self.detail)}' if lines else ''}"
        return "\n    ".join([f"{self.where} {self.what}:", *map(printable, lines)])
