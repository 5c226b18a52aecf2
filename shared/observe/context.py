"""What the current task is working for: carried into log lines, messages and calls to other services."""

from contextvars import ContextVar

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
RUN_ID: ContextVar[str | None] = ContextVar("run_id", default=None)
TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The W3C Trace Context header `traceparent` of the current request."""
