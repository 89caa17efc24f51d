"""Which of AutoGen's components a team file may name, and which of them need trust.

The tables are complete for AutoGen 0.7.5: each class was read. What stands in neither of them needs
trust as well, so that a component of a later version is not taken to be harmless.

Harmless is what does nothing but talk to a model, and hold or call other components. The file can
name the model's address, so trust is also needed for what sends the secrets or the files of this
machine elsewhere, and for what lets a model of the file's choice act on this machine.
"""

from __future__ import annotations

from typing import Final

PACKAGES: Final = ("autogen_core", "autogen_agentchat", "autogen_ext")

ALIASES: Final = {
    "azure_openai_chat_completion_client": (
        "autogen_ext.models.openai.AzureOpenAIChatCompletionClient"
    ),
    "AzureOpenAIChatCompletionClient": "autogen_ext.models.openai.AzureOpenAIChatCompletionClient",
    "openai_chat_completion_client": "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "OpenAIChatCompletionClient": "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "OllamaChatCompletionClient": "autogen_ext.models.ollama.OllamaChatCompletionClient",
}
"""The short names that AutoGen's loader knows."""


def _names(package: str, names: str) -> list[str]:
    return [f"{package}.{name}" for name in names.split()]


HARMLESS: Final = frozenset(
    [
        *_names("autogen_core", "InMemoryStore"),
        *_names("autogen_core.memory", "ListMemory"),
        *_names(
            "autogen_core.model_context",
            "BufferedChatCompletionContext HeadAndTailChatCompletionContext "
            "TokenLimitedChatCompletionContext UnboundedChatCompletionContext",
        ),
        *_names("autogen_core.tools", "StaticStreamWorkbench StaticWorkbench"),
        *_names(
            "autogen_agentchat.agents",
            # What runs the code for a CodeExecutorAgent is a component of its own.
            "AssistantAgent CodeExecutorAgent MessageFilterAgent SocietyOfMindAgent UserProxyAgent",
        ),
        *_names("autogen_agentchat.base", "AndTerminationCondition OrTerminationCondition"),
        *_names(
            "autogen_agentchat.conditions",
            "ExternalTermination FunctionCallTermination HandoffTermination MaxMessageTermination "
            "SourceMatchTermination StopMessageTermination TextMentionTermination "
            "TextMessageTermination TimeoutTermination TokenUsageTermination",
        ),
        *_names("autogen_agentchat.messages", "StructuredMessageFactory"),
        *_names(
            "autogen_agentchat.teams",
            "GraphFlow MagenticOneGroupChat RoundRobinGroupChat SelectorGroupChat Swarm",
        ),
        *_names("autogen_agentchat.tools", "AgentTool TeamTool"),
        *_names("autogen_ext.agents.magentic_one", "MagenticOneCoderAgent"),
        *_names("autogen_ext.agents.openai", "OpenAIAgent"),  # its tools run at OpenAI
        *_names("autogen_ext.models.cache", "ChatCompletionCache"),
        *_names("autogen_ext.models.replay", "ReplayChatCompletionClient"),
        *_names(
            "autogen_ext.models.anthropic",
            "AnthropicBedrockChatCompletionClient AnthropicChatCompletionClient",
        ),
        *_names("autogen_ext.models.ollama", "OllamaChatCompletionClient"),
        *_names(
            "autogen_ext.models.openai",
            "AzureOpenAIChatCompletionClient OpenAIChatCompletionClient",
        ),
    ]
)

RISKY: Final = {
    "autogen_core.tools.FunctionTool": "runs code of the file",
    "autogen_ext.agents.file_surfer.FileSurfer": "lets a model read the files of this machine",
    "autogen_ext.agents.video_surfer.VideoSurfer": "lets a model read the files of this machine",
    "autogen_ext.agents.web_surfer.MultimodalWebSurfer": "starts a browser",
    "autogen_ext.auth.azure.AzureTokenProvider": "uses your Azure account",
    "autogen_ext.cache_store.diskcache.DiskCacheStore": "reads and writes pickles in a folder",
    "autogen_ext.cache_store.redis.RedisStore": "writes to a database",
    "autogen_ext.code_executors.docker.DockerCommandLineCodeExecutor": (
        "runs code that a model writes, in a container"
    ),
    "autogen_ext.code_executors.docker_jupyter.DockerJupyterCodeExecutor": (
        "runs code that a model writes, on a Jupyter server"
    ),
    "autogen_ext.code_executors.jupyter.JupyterCodeExecutor": (
        "runs code that a model writes, in a Jupyter kernel"
    ),
    "autogen_ext.code_executors.local.LocalCommandLineCodeExecutor": (
        "runs code that a model writes, on this machine"
    ),
    "autogen_ext.memory.chromadb.ChromaDBVectorMemory": "reads and writes a database",
    "autogen_ext.memory.mem0.Mem0Memory": "reads and writes a memory service",
    "autogen_ext.memory.redis.RedisMemory": "writes to a database",
    "autogen_ext.memory.redis_memory.RedisMemory": "writes to a database",
    "autogen_ext.teams.magentic_one.MagenticOne": "runs code that a model writes, on this machine",
    "autogen_ext.tools.azure.AzureAISearchTool": "uses your Azure account",
    "autogen_ext.tools.azure.BaseAzureAISearchTool": "uses your Azure account",
    "autogen_ext.tools.code_execution.PythonCodeExecutionTool": "runs code that a model writes",
    "autogen_ext.tools.http.HttpTool": "lets a model send requests from this machine",
    "autogen_ext.tools.mcp.McpSessionActor": "connects to a tool server",
    "autogen_ext.tools.mcp.McpWorkbench": "connects to a tool server",
    "autogen_ext.tools.mcp.SseMcpToolAdapter": "connects to a tool server",
    "autogen_ext.tools.mcp.StdioMcpToolAdapter": "connects to a tool server",
    "autogen_ext.tools.mcp.StreamableHttpMcpToolAdapter": "connects to a tool server",
}
"""What needs trust, and why. A tool server is named with its command or address."""

_EXTRAS: Final = {
    "autogen_ext.agents.file_surfer": "file-surfer",
    "autogen_ext.agents.openai": "openai",
    "autogen_ext.agents.magentic_one": "magentic-one",
    "autogen_ext.agents.video_surfer": "video-surfer",
    "autogen_ext.agents.web_surfer": "web-surfer",
    "autogen_ext.auth.azure": "azure",
    "autogen_ext.cache_store.diskcache": "diskcache",
    "autogen_ext.cache_store.redis": "redis",
    "autogen_ext.code_executors.docker": "docker",
    "autogen_ext.code_executors.docker_jupyter": "docker-jupyter-executor",
    "autogen_ext.code_executors.jupyter": "jupyter-executor",
    "autogen_ext.memory.chromadb": "chromadb",
    "autogen_ext.memory.mem0": "mem0",
    "autogen_ext.memory.redis": "redisvl",
    "autogen_ext.memory.redis_memory": "redisvl",
    "autogen_ext.models.anthropic": "anthropic",
    "autogen_ext.models.ollama": "ollama",
    "autogen_ext.models.openai": "openai",
    "autogen_ext.teams.magentic_one": "magentic-one",
    "autogen_ext.tools.azure": "azure",
    "autogen_ext.tools.http": "http-tool",
    "autogen_ext.tools.mcp": "mcp",
}


def requirement(provider: str) -> str:
    """Return what `pip install` needs for a class of autogen_ext, "" if nothing is known."""
    module = provider.rpartition(".")[0]
    if not module.startswith("autogen_ext"):
        return ""
    extra = _EXTRAS.get(module, "")
    if extra == "mcp":
        return "autogen-supervisor[mcp]"  # it pins the version that AutoGen was written for
    return f"autogen-ext[{extra}]" if extra else "autogen-ext"
