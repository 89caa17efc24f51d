"""Who of a process table belongs to a process: by descent, group and session; pure."""

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


def test_descent_at_any_depth_and_no_zombies() -> None:
    """A zombie is none of those alive, and its children are."""
    zombie = _row(201, ROOT, is_ended=True)
    found = Descendants(ROOT).update(
        _table(_row(200, ROOT), zombie, _row(202, 200), _row(300, SHELL))
    )
    assert _pids(found) == [200, 202]


def test_who_was_found_is_known_after_its_parent_has_ended() -> None:
    """And so is what it starts later."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT), _row(201, 200)))
    assert _pids(descendants.update(_table(_row(201, INIT), _row(202, 201)))) == [201, 202]


def test_a_pid_that_is_anothers_by_now_is_not_known() -> None:
    """Known is a pid and a start time."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT)))
    assert descendants.update(_table(_row(200, SHELL, start=70.0))) == []


def test_who_was_there_before_is_spared_with_all_that_it_starts() -> None:
    """Also when it has ended, and its child is adopted by the process."""
    before = _row(200, ROOT, start=45.0)
    descendants = Descendants(ROOT, spared=[before.ident])
    child = _row(201, 200)
    assert descendants.update(_table(before, child, _row(202, 201))) == []
    assert descendants.update(_table(_row(201, ROOT))) == []


def test_a_helper_is_left_and_its_children_are_not() -> None:
    """The fork server's are the program's."""
    table = _table(_row(200, ROOT), _row(201, 200))
    assert _pids(Descendants(ROOT).update(table, helpers={200})) == [201]


def test_members_of_a_group_or_session_that_one_of_them_leads() -> None:
    """Found without their parents, and what they lead in turn."""
    leader = _row(200, ROOT, group=200, session=200, is_ended=True)
    member = _row(201, INIT, group=201, session=200)
    further = _row(202, INIT, group=201, session=200)
    child = _row(203, 202, group=203, session=203)
    found = Descendants(ROOT).update(_table(leader, member, further, child))
    assert _pids(found) == [201, 202, 203]


def test_a_group_is_known_until_it_is_empty() -> None:
    """Then its number may be another's."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT, group=200)))
    assert _pids(descendants.update(_table(_row(201, INIT, group=200)))) == [201]
    descendants.update(_table())
    assert descendants.update(_table(_row(202, INIT, group=200))) == []


def test_all_of_a_session_that_it_leads() -> None:
    """A session is joined by birth alone."""
    root = _row(ROOT, SHELL, session=ROOT, start=40.0)
    orphan = _row(200, INIT, group=200, session=ROOT)
    earlier = _row(201, INIT, group=201, session=ROOT, start=BEGAN - 1)
    descendants = Descendants(ROOT, began=BEGAN)
    assert _pids(descendants.update(_table(orphan, earlier, root=root))) == [200]


def test_orphans_of_a_group_that_it_leads() -> None:
    """Not the others of a shell's pipeline, and what these start."""
    mate = _row(200, SHELL, start=41.0)
    theirs = _row(201, 200)
    orphan = _row(202, INIT)
    descendants = Descendants(ROOT, began=BEGAN)
    assert _pids(descendants.update(_table(mate, theirs, orphan))) == [202]


def test_its_own_group_says_nothing_where_something_was_there_before() -> None:
    """An orphan may be one of that."""
    before = _row(200, ROOT, start=45.0)
    descendants = Descendants(ROOT, spared=[before.ident], began=BEGAN)
    assert descendants.update(_table(before, _row(201, INIT))) == []


def test_nor_where_a_script_leads_it() -> None:
    """The script may have left one."""
    root = _row(ROOT, SHELL, group=95, start=40.0)
    orphan = _row(200, INIT, group=95)
    assert Descendants(ROOT, began=BEGAN).update(_table(orphan, root=root)) == []


def test_who_makes_a_daemon_of_itself_is_let_go() -> None:
    """It has left its parent and its session since it was seen; what it starts is its own."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT), _row(201, 200)))
    daemon = _row(201, INIT, group=201, session=201)
    assert descendants.update(_table(daemon, _row(202, 201, group=201, session=201))) == []
    assert _pids(descendants.strays(_table(daemon))) == [201]


def test_a_server_in_a_session_of_its_own_is_no_daemon() -> None:
    """Also when its parent has ended."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT), _row(201, 200, group=201, session=201)))
    assert _pids(descendants.update(_table(_row(201, INIT, group=201, session=201)))) == [201]


def test_a_daemon_belongs_to_who_takes_daemons() -> None:
    """It is adopted then: a child again."""
    descendants = Descendants(ROOT, takes_daemons=True)
    descendants.update(_table(_row(200, ROOT), _row(201, 200)))
    assert _pids(descendants.update(_table(_row(201, ROOT, group=201, session=201)))) == [201]


def test_strays_may_be_daemons_of_its_making() -> None:
    """They began since, lost their parent, and have a session of their own."""
    stray = _row(200, INIT, group=200, session=200)
    earlier = _row(201, INIT, group=201, session=201, start=BEGAN - 1)
    elsewhere = _row(202, 300, group=202, session=202)
    descendants = Descendants(ROOT, began=BEGAN)
    table = _table(stray, earlier, elsewhere, _row(300, INIT, group=300, session=300, start=2.0))
    assert descendants.update(table) == []
    assert _pids(descendants.strays(table)) == [200]


def test_once_settled_only_those_known_and_theirs() -> None:
    """A host may go on, and start others."""
    descendants = Descendants(ROOT, began=BEGAN)
    descendants.update(_table(_row(200, ROOT)))
    descendants.settle()
    table = _table(_row(200, ROOT), _row(201, 200), _row(202, ROOT), _row(203, INIT))
    assert _pids(descendants.update(table)) == [200, 201]


def test_only_chosen_ones_and_theirs() -> None:
    """For a guest."""
    chosen = _row(200, ROOT)
    table = _table(chosen, _row(201, 200), _row(202, ROOT))
    assert _pids(Descendants(None, known=[chosen]).update(table)) == [200, 201]


def test_who_has_ended_is_forgotten() -> None:
    """A program that runs for months does not grow by each child."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT)))
    descendants.update(_table())
    assert descendants.known == {}
    assert descendants.led == {}


def test_a_table_that_is_older_makes_nobody_forgotten() -> None:
    """Two looks overlap, and the one that has read first is the last to see."""
    descendants = Descendants(ROOT)
    descendants.update(_table(_row(200, ROOT, start=LATE + 1)))
    descendants.update(_table())
    assert [row.pid for row in descendants.known.values()] == [200]
