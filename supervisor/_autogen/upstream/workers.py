"""The runtimes that can be served, and what serves each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

from autogen_core import AgentRuntime, SingleThreadedAgentRuntime

from supervisor._autogen.upstream.grpc_workers import EVENT_ERROR, GrpcHost, GrpcWorker
from supervisor._autogen.upstream.local_worker import LocalWorker
from supervisor._autogen.upstream.runtimes import Delivery
from supervisor._autogen.upstream.served import Served

__all__ = ["EVENT_ERROR", "RuntimeHost", "Servable", "Served", "served"]


class RuntimeHost(Protocol):
    """What `GrpcWorkerAgentRuntimeHost` has; it is no `AgentRuntime`."""

    def start(self) -> None:
        """Start the server."""
        ...

    async def stop(self, grace: int = 5) -> None:
        """Stop the server."""
        ...


Servable = AgentRuntime | RuntimeHost
"""What `Supervisor.serve` takes: a runtime of AutoGen's, or a host of runtimes."""


def served(runtime: Any, is_of_a_run: Callable[[Delivery], bool]) -> Served:
    """Return what serves a runtime.

    Args:
        runtime: The runtime.
        is_of_a_run: Returns whether a message belongs to a run of a team, which handles its end.

    Raises:
        TypeError: It is none that can be served.
    """
    if isinstance(runtime, SingleThreadedAgentRuntime):
        return LocalWorker(runtime, is_of_a_run)
    grpc: Any = sys.modules.get("autogen_ext.runtimes.grpc")  # whoever has one has imported it
    if grpc is not None and isinstance(runtime, grpc.GrpcWorkerAgentRuntime):
        return GrpcWorker(runtime)
    if grpc is not None and isinstance(runtime, grpc.GrpcWorkerAgentRuntimeHost):
        return GrpcHost(runtime)
    raise TypeError(
        f"{runtime!r} cannot be served; "
        "pass a GrpcWorkerAgentRuntime, its host, or a SingleThreadedAgentRuntime"
    )
