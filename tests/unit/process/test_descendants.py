"""The descendants in a process table: by descent, group and session; no I/O."""

from __future__ import annotations

from supervisor._process.descendants import Descendants
from supervisor._process.process_table import Row, Table

ROOT, SHELL, INIT = 100, 90, 1
BEGAN = 50.0
LATE = 1000.0


def _row(
    pid: int,
    parent: int,
    *,
    group: int | None = None,
    session: int = SHELL,
    start: float = 60.0,
    is_ended: bool = False,
) -> Row:
    group = ROOT if group is None else group
    return Row(pid, parent, group, session, start, is_ended=is_ended)


def _table(*rows: Row, root: Row | None = None) -> Table:
    root = root or _row(ROOT, SHELL, start=40.0)
    shell = _row(SHELL, INIT, group=SHELL, start=1.0)
    init = _row(INIT, 0, group=INIT, session=INIT, start=0.0)
    return Table(LATE, [init, shell, root, *rows])


def _pids(rows: list[Row]) -> list[int]:
    return sorted(row.pid for row in rows)


def test_descendants_are_found_at_any_depth() -> None:
    """Descendants are found at any depth; a zombie is not among them, but its children are."""
    zombie = _row(201, ROOT, is_ended=True)
    found = Descendants(ROOT).update(
        _table(_row(200, ROOT), zombie, _row(202, 200), _row(300, SHELL))
    )
    assert _pids(found) == [200, 202]


def test_one_that_was_found_stays_known_when_its_parent_ends() -> None:
    """One that was found stays known when its parent ends, and so does what it starts later."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT), _row(201, 200)))
    assert _pids(descendants.update(_table(_row(201, INIT), _row(202, 201)))) == [201, 202]


def test_a_pid_that_is_anothers_by_now_is_not_known() -> None:
    """A process with a known pid and another start time is not known."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT)))
    assert descendants.update(_table(_row(200, SHELL, start=70.0))) == []


def test_what_was_there_before_is_spared() -> None:
    """A child that was there before is spared, and so is its child when it is adopted later."""
    before = _row(200, ROOT, start=45.0)
    descendants = Descendants(ROOT, spared=[before.ident])
    child = _row(201, 200)
    assert descendants.update(_table(before, child, _row(202, 201))) == []
    assert descendants.update(_table(_row(201, ROOT))) == []


def test_a_helper_is_spared_and_its_children_are_not() -> None:
    """A helper is spared; a fork server's children are the program's."""
    table = _table(_row(200, ROOT), _row(201, 200))
    assert _pids(Descendants(ROOT).update(table, helpers={200})) == [201]


def test_members_of_a_group_or_session_are_found() -> None:
    """Members of a group or session that a descendant leads are found without their parents."""
    leader = _row(200, ROOT, group=200, session=200, is_ended=True)
    member = _row(201, INIT, group=201, session=200)
    further = _row(202, INIT, group=201, session=200)
    child = _row(203, 202, group=203, session=203)
    found = Descendants(ROOT).update(_table(leader, member, further, child))
    assert _pids(found) == [201, 202, 203]


def test_a_group_is_known_until_it_is_empty() -> None:
    """A group is known until it is empty; then its number may be given to another one."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT, group=200)))
    assert _pids(descendants.update(_table(_row(201, INIT, group=200)))) == [201]
    descendants.update(_table())
    assert descendants.update(_table(_row(202, INIT, group=200))) == []


def test_all_in_a_session_that_the_process_leads_are_found() -> None:
    """All in a session that the process leads are found, if they have begun since."""
    root = _row(ROOT, SHELL, session=ROOT, start=40.0)
    orphan = _row(200, INIT, group=200, session=ROOT)
    earlier = _row(201, INIT, group=201, session=ROOT, start=BEGAN - 1)
    descendants = Descendants(ROOT, began=BEGAN)
    assert _pids(descendants.update(_table(orphan, earlier, root=root))) == [200]


def test_orphans_in_a_group_that_the_process_leads_are_found() -> None:
    """Orphans in the process's own group are found; others of the pipeline are not."""
    mate = _row(200, SHELL, start=41.0)
    theirs = _row(201, 200)
    orphan = _row(202, INIT)
    descendants = Descendants(ROOT, began=BEGAN)
    assert _pids(descendants.update(_table(mate, theirs, orphan))) == [202]


def test_its_group_does_not_count_if_something_was_there_before() -> None:
    """If a child was there before, an orphan in the group may be its, and is not found."""
    before = _row(200, ROOT, start=45.0)
    descendants = Descendants(ROOT, spared=[before.ident], began=BEGAN)
    assert descendants.update(_table(before, _row(201, INIT))) == []


def test_its_group_does_not_count_if_a_script_leads_it() -> None:
    """If a script leads the group, an orphan in it may be its, and is not found."""
    root = _row(ROOT, SHELL, group=95, start=40.0)
    orphan = _row(200, INIT, group=95)
    assert Descendants(ROOT, began=BEGAN).update(_table(orphan, root=root)) == []


def test_a_daemon_is_released() -> None:
    """One that has left its parent and its session is released, with what it starts."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT), _row(201, 200)))
    daemon = _row(201, INIT, group=201, session=201)
    assert descendants.update(_table(daemon, _row(202, 201, group=201, session=201))) == []
    assert _pids(descendants.strays(_table(daemon))) == [201]


def test_a_server_in_a_session_of_its_own_is_no_daemon() -> None:
    """A server that was in its own session from the start is no daemon, if its parent ends."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT), _row(201, 200, group=201, session=201)))
    assert _pids(descendants.update(_table(_row(201, INIT, group=201, session=201)))) == [201]


def test_a_daemon_is_kept_where_daemons_are_taken() -> None:
    """With `takes_daemons` a daemon, which is adopted then, still belongs to the process."""
    descendants = Descendants(ROOT, takes_daemons=True)
    descendants.update(_table(_row(200, ROOT), _row(201, 200)))
    assert _pids(descendants.update(_table(_row(201, ROOT, group=201, session=201)))) == [201]


def test_strays_may_be_its_daemons() -> None:
    """Strays began since, lost their parent, and have a session of their own."""
    stray = _row(200, INIT, group=200, session=200)
    earlier = _row(201, INIT, group=201, session=201, start=BEGAN - 1)
    elsewhere = _row(202, 300, group=202, session=202)
    descendants = Descendants(ROOT, began=BEGAN)
    table = _table(stray, earlier, elsewhere, _row(300, INIT, group=300, session=300, start=2.0))
    assert descendants.update(table) == []
    assert _pids(descendants.strays(table)) == [200]


def test_once_settled_only_those_known_and_theirs_count() -> None:
    """After `settle` only those known and what they start are found."""
    descendants = Descendants(ROOT, began=BEGAN)
    descendants.update(_table(_row(200, ROOT)))
    descendants.settle()
    table = _table(_row(200, ROOT), _row(201, 200), _row(202, ROOT), _row(203, INIT))
    assert _pids(descendants.update(table)) == [200, 201]


def test_without_a_root_only_those_known_and_theirs_count() -> None:
    """Without a root only the given ones and what they start are found."""
    chosen = _row(200, ROOT)
    table = _table(chosen, _row(201, 200), _row(202, ROOT))
    assert _pids(Descendants(None, known=[chosen]).update(table)) == [200, 201]


def test_those_that_have_ended_are_forgotten() -> None:
    """Those that have ended are forgotten, so a program does not grow by each child."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT)))
    descendants.update(_table())
    assert descendants.known == {}
    assert descendants.led == {}


def test_an_older_table_makes_none_forgotten() -> None:
    """A table that was read before one was found does not make that one forgotten."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT, start=LATE + 1)))
    descendants.update(_table())
    assert [row.pid for row in descendants.known.values()] == [200]
