"""The descendants of a process in a process table: what it has started, and what they have.

They are found by descent. If a descendant leads a process group or a session, its members are found
by that too, even after the one that started them has ended. One that was found stays known. So an
update while its parent lives finds more than an update afterwards.

If the process itself leads its session, all in that session descend from it, for a session is
joined by birth alone. If it leads its group (a job of a shell), a member whose parent is no member
has lost a parent that was one. Both hold only if the process had started nothing before.

Left alone are

- the process itself, and PID 1;
- what was there before, and all that this starts: a pool or a database of the host's;
- multiprocessing's helpers: its resource tracker cleans up after those that were killed. What its
  fork server starts counts as started by the process;
- a daemon: it has left its parent and its session since it was first seen.

There is no I/O here: each update is given the table.

Where it falls short: a process that has left its group and session, and whose parent ended before
an update, is not found. The kernel hands it to PID 1, or to a subreaper: if the process is one, it
is a child again. If the process leads neither a session nor a group (a script of a shell's runs
it), a member of its group whose parent ended before an update is not found either.
"""

from __future__ import annotations

from supervisor._process.process_table import Row, Table, by_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from supervisor._process.process_table import Ident


class Descendants:
    """What is known of a process's descendants, from one update to the next.

    What is known is replaced as a whole, so it can be read during an update.

    Args:
        root: The pid of the process; None where only `known` and what they start count.
        spared: Those that were there before.
        known: The descendants that are known already.
        began: From when on those of its own group and session belong to it, by
            `process_table.now()`; None: never.
        takes_daemons: Whether a daemon belongs to it as well.
    """

    def __init__(
        self,
        root: int | None,
        *,
        spared: Iterable[Ident] = (),
        known: Iterable[Row] = (),
        began: float | None = None,
        takes_daemons: bool = False,
    ) -> None:
        self.root = root
        self.spared = frozenset(spared)
        self.was_alone = not self.spared
        """Whether it had started nothing before."""
        self._is_open = root is not None
        self.known: dict[Ident, Row] = {row.ident: row for row in known}
        """As each was when it was first seen."""
        self.led: dict[int, float] = {}
        """The groups and sessions that one of them leads: its pid, and when it was started."""
        self.daemons: dict[Ident, Row] = {}
        self.began = began
        self.takes_daemons = takes_daemons

    def update(self, table: Table, helpers: Collection[int] = ()) -> list[Row]:
        """Find the descendants that there are.

        Args:
            table: The process table now.
            helpers: The pids of multiprocessing's helpers.

        Returns:
            Those alive, no zombies.
        """
        children = by_parent(table.values())
        self._spare_more(table, children)
        self._release_daemons(table)
        before = -1
        while before != len(self.known):  # a member of a group may lead another one
            before = len(self.known)
            roots = [row.pid for row in self.present(table)]
            if self.root is not None and self._is_open:
                roots.append(self.root)
            self._add(self._below(roots, children, helpers))
            self._lead(table)
            self._add(row for row in table.values() if self._is_member(row, table, helpers))
        self._drop_ended(table)
        return [row for row in self.present(table) if not row.is_ended]

    def strays(self, table: Table, helpers: Collection[int] = ()) -> list[Row]:
        """Return those that have made daemons of themselves, and those that may have, unseen.

        The latter have begun since, have lost their parent, and have a session of their own. The
        table does not show what has started them.
        """
        seen = [row for row in table.values() if row.ident in self.daemons]
        root = table.get(self.root) if self.root is not None else None
        if root is None or self.began is None:
            return seen
        heirs = set(_ancestors(root, table))
        known = {*self.known, *self.spared, *self.daemons}
        return seen + [
            row
            for row in table.values()
            if row.parent in heirs and row.start >= self.began and row.session != root.session
            if row.ident not in known and row.pid not in helpers and not row.is_ended
        ]

    def settle(self) -> None:
        """Count no others from here on than those known, and what they start."""
        self._is_open = False

    def present(self, table: Table) -> list[Row]:
        """Return those known that are there, zombies too."""
        rows = (table.get(pid) for pid, _ in self.known)
        return [row for row in rows if row is not None and row.ident in self.known]

    def _add(self, found: Iterable[Row]) -> None:
        new = {row.ident: row for row in found if row.ident not in self.known}
        if new:
            self.known = {**self.known, **new}

    def _drop_ended(self, table: Table) -> None:
        """Forget those that have ended; a group or session is known until it is empty."""
        self.known = {it: row for it, row in self.known.items() if not _has_ended(it, table)}
        self.spared = frozenset(it for it in self.spared if not _has_ended(it, table))

    def _below(
        self, roots: Iterable[int], children: dict[int, list[Row]], helpers: Collection[int]
    ) -> Iterator[Row]:
        seen: set[int] = set()
        waiting = list(roots)
        while waiting:
            pid = waiting.pop()
            if pid in seen:
                continue
            seen.add(pid)
            for row in children.get(pid, ()):
                if row.ident in self.spared or row.ident in self.daemons:
                    continue
                waiting.append(row.pid)
                if row.pid not in helpers:
                    yield row

    def _lead(self, table: Table) -> None:
        """Note which of them lead a group or a session, and forget numbers that are others' now."""
        new = {row.pid: row.start for row in self.present(table) if _leads(row)}
        led = {**self.led, **new}
        used = {row.group for row in table.values()} | {row.session for row in table.values()}
        self.led = {
            pid: start
            for pid, start in led.items()
            if (table[pid].start == start if pid in table else pid in used)
        }

    def _is_member(self, row: Row, table: Table, helpers: Collection[int]) -> bool:
        if row.pid in (self.root, 1) or row.pid in helpers or row.ident in self.spared:
            return False
        if row.ident in self.known or row.ident in self.daemons:
            return False
        is_led = row.group in self.led or row.session in self.led
        return is_led or self._is_in_own_group(row, table)

    def _is_in_own_group(self, row: Row, table: Table) -> bool:
        """Return whether its group or session shows that it descends from the process."""
        if not self._is_open or self.began is None or row.start < self.began:
            return False
        if not self.was_alone:
            return False
        if row.session == self.root:
            return True
        parent = table.get(row.parent)
        return row.group == self.root and (parent is None or parent.group != self.root)

    def _spare_more(self, table: Table, children: dict[int, list[Row]]) -> None:
        """Spare what those that are spared have started."""
        there = [pid for pid, start in self.spared if pid in table and table[pid].start == start]
        self.spared |= {row.ident for row in self._below(there, children, ())}

    def _release_daemons(self, table: Table) -> None:
        if self.takes_daemons:
            return
        inside = {row.pid for row in self.present(table)} | {self.root}
        gone: dict[Ident, Row] = {}
        for row in self.present(table):
            first = self.known[row.ident]
            has_left = row.parent != first.parent and row.parent not in inside
            if has_left and row.session != first.session:
                gone[row.ident] = row
        if gone:
            self.daemons = {**self.daemons, **gone}
            self.known = {ident: row for ident, row in self.known.items() if ident not in gone}
            left = {pid for pid, _ in gone}
            self.led = {pid: start for pid, start in self.led.items() if pid not in left}


def _ancestors(row: Row, table: Table) -> Iterator[int]:
    """Yield the pids of those that can inherit a process's orphans: its parent, and so on."""
    while (parent := table.get(row.parent)) is not None:
        yield parent.pid
        row = parent


def _has_ended(ident: Ident, table: Table) -> bool:
    pid, start = ident
    return start < table.at and (pid not in table or table[pid].start != start)


def _leads(row: Row) -> bool:
    return row.pid in (row.group, row.session)
