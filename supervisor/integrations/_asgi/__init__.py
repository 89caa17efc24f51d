"""How a supervisor lives in a web server: the parts of `supervisor.integrations.asgi`."""
