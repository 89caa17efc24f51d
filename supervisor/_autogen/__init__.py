"""AutoGen: how its teams, agents and workers are run and stopped. Nothing else imports it."""

from __future__ import annotations
