"""AutoGen: how its teams, agents and workers are run and stopped. Nothing else imports it."""

from __future__ import annotations

from autogen_agentchat import __version__

from supervisor._core.autogen_versions import refuse_unsupported

# Before the modules below it import names that another version does not have.
refuse_unsupported(__version__)
