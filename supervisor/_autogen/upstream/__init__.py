"""Every private name of AutoGen that the supervisor uses; no other place knows one.

`tests/unit/autogen/upstream` holds a contract test for each, so that a release of AutoGen that
changes one breaks a test with the name in it, and not a program.

Read in AutoGen 0.7.5: `autogen_core/_single_threaded_agent_runtime.py` (the message loop, the
handlers' tasks, the queue and its count), `autogen_agentchat/teams/_group_chat/`:
`_base_group_chat.py` (`run_stream` and its `stop_runtime`), `_base_group_chat_manager.py` (the
speakers, the turns), the managers of the team classes (who speaks next), `_events.py` (what they
send each other), `_chat_agent_container.py` (what an agent is still to be given),
`_sequential_routed_agent.py` (the FIFO lock); `agents/_assistant_agent.py` (its tool calls).
Of the extras, which are imported where they are used: `mcp.py`, `grpc_workers.py`.
"""

from __future__ import annotations

from autogen_agentchat.teams._group_chat._events import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatRequestPublish,
    GroupChatReset,
    GroupChatStart,
    GroupChatTeamResponse,
    GroupChatTermination,
)

from supervisor._autogen.upstream.agents import has_own_state
from supervisor._autogen.upstream.attributes import is_of_autogen, set_by_autogen
from supervisor._autogen.upstream.code import (
    code_agent,
    code_output,
    end_kernel,
    forget_cell,
    has_kernels,
    has_model,
    hold_kernel,
    interrupt_kernel,
    is_begun,
    kernel_client,
    newest_cell,
    until_idle,
)
from supervisor._autogen.upstream.component_loader import components_at_failure
from supervisor._autogen.upstream.conditions import (
    condition_counts,
    condition_parts,
    elapsed,
    is_condition_setting,
    noted_stops,
    put_elapsed,
)
from supervisor._autogen.upstream.contexts import (
    is_autogens,
    messages_of,
    put_messages,
    saved_messages,
)
from supervisor._autogen.upstream.coroutines import (
    HANDLER_ERROR,
    classify,
    envelope_in,
    gathers_calls,
    has_begun,
    message_loop,
    selecting_manager,
    tool_call,
)
from supervisor._autogen.upstream.creators import refuse_replaced, starting_team
from supervisor._autogen.upstream.group import Group, group_of, make_group
from supervisor._autogen.upstream.manager_state import ManagerState, fitted, lasting
from supervisor._autogen.upstream.mcp import (
    McpRequest,
    mcp_actor,
    mcp_can_ask,
    mcp_commands,
    mcp_forget_ended,
    mcp_is_loaded,
    mcp_request,
    mcp_server,
    mcp_tell_calls,
    mcp_tell_cancelled,
    mcp_wrap_streams,
)
from supervisor._autogen.upstream.runtimes import (
    Delivery,
    Engine,
    SharedRuntime,
    delivery,
    delivery_of,
    queued,
)
from supervisor._autogen.upstream.shortcut import Shortcut, Sink, is_read_bare
from supervisor._autogen.upstream.teams import (
    ChatItem,
    given_runtime,
    handed_off,
    is_team,
    message_types,
    open_handoff,
    team_id,
    unmark_running,
)
from supervisor._autogen.upstream.telemetry import Telemetry
from supervisor._autogen.upstream.termination import whole_turn
from supervisor._autogen.upstream.tools import call_tool, handoff_names, has_tool, marks_of
from supervisor._autogen.upstream.user_proxies import ASKS, asks_by_default, put_input

__all__ = [
    "ASKS",
    "HANDLER_ERROR",
    "ChatItem",
    "Delivery",
    "Engine",
    "Group",
    "GroupChatAgentResponse",
    "GroupChatMessage",
    "GroupChatRequestPublish",
    "GroupChatReset",
    "GroupChatStart",
    "GroupChatTeamResponse",
    "GroupChatTermination",
    "ManagerState",
    "McpRequest",
    "SharedRuntime",
    "Shortcut",
    "Sink",
    "Telemetry",
    "asks_by_default",
    "call_tool",
    "classify",
    "code_agent",
    "code_output",
    "components_at_failure",
    "condition_counts",
    "condition_parts",
    "delivery",
    "delivery_of",
    "elapsed",
    "end_kernel",
    "envelope_in",
    "fitted",
    "forget_cell",
    "gathers_calls",
    "given_runtime",
    "group_of",
    "handed_off",
    "handoff_names",
    "has_begun",
    "has_kernels",
    "has_model",
    "has_own_state",
    "has_tool",
    "hold_kernel",
    "interrupt_kernel",
    "is_autogens",
    "is_begun",
    "is_condition_setting",
    "is_of_autogen",
    "is_read_bare",
    "is_team",
    "kernel_client",
    "lasting",
    "make_group",
    "marks_of",
    "mcp_actor",
    "mcp_can_ask",
    "mcp_commands",
    "mcp_forget_ended",
    "mcp_is_loaded",
    "mcp_request",
    "mcp_server",
    "mcp_tell_calls",
    "mcp_tell_cancelled",
    "mcp_wrap_streams",
    "message_loop",
    "message_types",
    "messages_of",
    "newest_cell",
    "noted_stops",
    "open_handoff",
    "put_elapsed",
    "put_input",
    "put_messages",
    "queued",
    "refuse_replaced",
    "saved_messages",
    "selecting_manager",
    "set_by_autogen",
    "starting_team",
    "team_id",
    "tool_call",
    "unmark_running",
    "until_idle",
    "whole_turn",
]
