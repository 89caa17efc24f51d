"""Runs of a team or an agent, made for whoever owns them: a supervisor's block, or `supervise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor._core.settings import parse_timeout

if TYPE_CHECKING:
    from supervisor._autogen.adapter import AnyToken, Runnable, Task
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
) -> Run[Event, TaskResult]:
    """Return a run of a team or an agent on a task; the arguments are those of `stream`.

    Raises:
        TypeError: `team` cannot be run.
        SettingsError: `timeout` is no number of seconds.
    """
    from supervisor._autogen.adapter import adapter_of
    from supervisor._core.run import Run

    adapter = adapter_of(team)(
        team,
        task,
        cancellation_token=cancellation_token,
        output_task_messages=output_task_messages,
        fast_path=fast_path,
    )
    return Run(owner, adapter, timeout=parse_timeout(timeout))
