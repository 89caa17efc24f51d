"""The hints for workers in a store, which tell of the runs that want an owner."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from supervisor._cli.extras import require

if TYPE_CHECKING:
    from types import ModuleType


def has_queue(url: str) -> bool:
    """Return whether a store's database can have a queue, too."""
    return not url.startswith("sqlite:")


def hints_for(command: str) -> ModuleType:
    """Return what puts and takes hints.

    Args:
        command: The command that needs it.

    Raises:
        CommandError: The extra is not installed.
    """
    for name in ("asyncpg", "pgqueuer"):
        require(name, f"{command} with PostgreSQL", "fleet")
    return import_module("supervisor.integrations._fleet.hints")


def beside(url: str, run_id: str) -> dict[str, Any]:
    """Return what has a hint put in the transaction that puts a run there, as settings of `put`.

    Raises:
        CommandError: The extra is not installed.
    """
    if not has_queue(url):
        return {}
    hints = hints_for("submit")

    def put(connection: Any) -> None:
        hints.put_beside(connection, run_id)

    return {"beside": put}


def tell_workers(url: str, run_ids: Sequence[str]) -> None:
    """Put hints that runs want an owner.

    Raises:
        CommandError: The extra is not installed.
    """
    if has_queue(url):
        asyncio.run(_put(url, run_ids))


async def _put(url: str, run_ids: Sequence[str]) -> None:
    async with hints_for("retry").open_hints(url) as hints:
        await hints.put_all(run_ids)
