"""Contract tests: agents that let code run, and their executors."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from autogen_agentchat.agents import CodeExecutorAgent

from supervisor._autogen import upstream


def test_code_agent_is_known_by_its_generator() -> None:
    """`on_messages_stream` of a CodeExecutorAgent has `nth_try` and `execution_result`."""
    names = CodeExecutorAgent.on_messages_stream.__code__.co_varnames
    assert {"self", "nth_try", "execution_result"} <= set(names)
    source = inspect.getsource(CodeExecutorAgent)
    assert "execution_result: CodeResult | None = None" in source
    assert "self._model_client = None" in source
    assert "self._code_executor.execute_code_blocks(" in source


def test_jupyter_executor_has_a_client_with_kernel_and_cells() -> None:
    """`_client` of the executor is nbclient's; a cell stays in its notebook while it runs."""
    pytest.importorskip("nbclient")
    from autogen_ext.code_executors.jupyter import JupyterCodeExecutor

    executor: Any = JupyterCodeExecutor()
    assert executor._client is None
    assert upstream.has_kernels()
    assert upstream.kernel_client(executor) is None
    source = inspect.getsource(JupyterCodeExecutor)
    for line in ("self._client.nb.cells.append(cell)", "self._client.nb.cells.pop()"):
        assert line in source, line


def test_nbclient_ends_its_kernel_on_signals_by_on_signal() -> None:
    """Its handlers of signals are `on_signal`, which calls `_async_cleanup_kernel` by its name."""
    client = pytest.importorskip("nbclient.client").NotebookClient
    setup = inspect.getsource(client.async_setup_kernel)
    assert "def on_signal() -> None:" in setup
    assert "asyncio.ensure_future(self._async_cleanup_kernel())" in setup
    assert '"iopub.execute_input"' in inspect.getsource(client)
