"""Runs of a team or an agent, made for whoever owns them: a supervisor's block, or `supervise`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervisor._core.errors import SettingsError, UsageError
from supervisor._core.settings import parse_seconds, parse_switch, parse_timeout
from supervisor._supervisor.keeping import Keeping

if TYPE_CHECKING:
    from supervisor._autogen.adapter import AnyToken, Runnable, Task, TeamAdapter
    from supervisor._autogen.checkpoints.kept_run import KeptRun
    from supervisor._autogen.messages import Event, TaskResult
    from supervisor._core.run import Run
    from supervisor._core.stoppable import Owner


def run_of(
    owner: Owner,
    team: Runnable,
    task: Task | None,
    *,
    cancellation_token: AnyToken | None,
    output_task_messages: bool,
    timeout: float | None,
    fast_path: bool,
    kept: KeptRun | None = None,
) -> Run[Event, TaskResult]:
    """Return a run of a team or an agent on a task; the arguments are those of `stream`.

    Raises:
        TypeError: `team` cannot be run.
        SettingsError: `timeout` is no number of seconds.
    """
    from supervisor._core.run import Run

    adapter = _adapter(
        team,
        task,
        kept,
        cancellation_token=cancellation_token,
        output_task_messages=output_task_messages,
        fast_path=fast_path,
    )
    return Run(owner, adapter, timeout=parse_timeout(timeout))


def _adapter(
    team: Runnable, task: Task | None, kept: KeptRun | None, **options: Any
) -> TeamAdapter:
    if kept is None:
        from supervisor._autogen.adapter import adapter_of

        return adapter_of(team)(team, task, **options)
    from supervisor._autogen.checkpoints.kept_adapter import kept_adapter_of

    return kept_adapter_of(team)(team, task, kept, **options)


def kept_run_of(
    keeping: Keeping, run_id: object, wait: object, *, allow_changed: object
) -> KeptRun | None:
    """Return what keeps a run; None where it has no id. The arguments are those of `stream`.

    Raises:
        UsageError: It has an id, and there is no store.
        SettingsError: A value cannot be.
    """
    changed = parse_switch("allow_changed", allow_changed)
    seconds = None if wait is None else parse_seconds("wait", wait)
    if run_id is None:
        if seconds is not None or changed:
            raise UsageError("wait= and allow_changed= are for a run that is kept; give id= too")
        return None
    if not isinstance(run_id, str) or not run_id:
        raise SettingsError("id", "give a text that is not empty", run_id)
    runs = keeping.runs("a run with an id")
    from supervisor._autogen.checkpoints.kept_run import KeptRun

    return KeptRun(runs, run_id, wait=seconds, allow_changed=changed)
