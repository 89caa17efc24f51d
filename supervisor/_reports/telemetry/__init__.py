"""What OpenTelemetry is told, where the application has set a provider."""

from __future__ import annotations
