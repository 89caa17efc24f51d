"""What the agents of a team remember, as logs: model contexts, and lists of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from autogen_agentchat.base import Team
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen import upstream
from supervisor._autogen.checkpoints.agent_states import AgentStates
from supervisor._autogen.checkpoints.logs import Cut
from supervisor._autogen.history.memory import is_list_of_messages
from supervisor._autogen.upstream import Group

Rewound = Mapping[tuple[int, str], list[Any]]
"""Lists as they were before a turn that is undone, by the id() of the owner and the attribute."""


def contexts_of(name: str, group: Group) -> Iterator[tuple[str, ChatCompletionContext]]:
    """Yield the model contexts of a team's manager, by their names."""
    for attribute, value in vars(group.manager).items():
        if isinstance(value, ChatCompletionContext):
            yield f"{name}/manager/{attribute.strip('_')}".removeprefix("/"), value


def own_lists(agent: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of messages that an agent of the user's keeps in its own attributes."""
    kind: Any = agent.__class__
    if upstream.is_of_autogen(kind) or issubclass(kind, Team):
        return
    others = upstream.set_by_autogen(kind)
    for attribute, value in cast("dict[str, Any]", vars(agent)).items():
        if (
            attribute not in others
            and is_list_of_messages(value)
            and is_list_of_messages(value[:1])
        ):
            yield attribute, value


def log_of_context(name: str) -> str:
    """Return the name of a model context's log."""
    return f"context:{name.removesuffix('model_context').removesuffix('/')}"


def log_of_list(name: str, attribute: str) -> str:
    """Return the name of the log of an agent's own list."""
    return f"list:{name}.{attribute}"


class Memories:
    """What the agents remember, in one snapshot.

    Args:
        cut: The logs of the snapshot.
        agents: The states of agents that save themselves.
        rewound: What is written as it was before a turn.
        is_untouched: Returns whether a list, by its log, is as the program gave it.
    """

    def __init__(
        self,
        cut: Cut,
        agents: AgentStates,
        rewound: Rewound,
        is_untouched: Callable[[str, Sequence[object]], bool],
    ) -> None:
        self._is_untouched = is_untouched
        self.states: dict[str, Any] = {}
        """What is written whole, by its names."""
        self._cut = cut
        self._agents = agents
        self._rewound = rewound

    def add_context(self, name: str, context: ChatCompletionContext, *, is_undone: bool) -> None:
        """Add a model context; one that writes its state in its own way is written whole.

        Args:
            name: Its name among the components.
            context: The context.
            is_undone: Whether its agent is in a turn that is undone.
        """
        messages = upstream.saved_messages(context)
        if messages is None:
            self._add_state(name, context, is_undone=is_undone)
            return
        then = self._rewound.get((id(context), ""), messages)
        if then or self._cut.length(log_of_context(name)):
            self._cut.add(log_of_context(name), then)

    def add_agent(self, name: str, agent: Any, *, is_undone: bool) -> None:
        """Add the lists of an agent of the user's, and the state that it saves itself.

        Args:
            name: The agent's name among the components.
            agent: The agent.
            is_undone: Whether it is in a turn that is undone.
        """
        for attribute, items in own_lists(agent):
            then = self._rewound.get((id(agent), attribute), items)
            log = log_of_list(name, attribute)
            if not self._is_untouched(log, then) and (then or self._cut.length(log)):
                self._cut.add(log, then)
        if upstream.has_own_state(agent.__class__):
            self._add_state(name, agent, is_undone=is_undone)

    def _add_state(self, name: str, owner: Any, *, is_undone: bool) -> None:
        state = self._agents.take(name, owner, is_open=is_undone)
        self.states.update({} if state is None else {name: state})
