"""Logs: one JSON object a line on standard error, or readable text on a terminal; never a secret."""

import logging
import sys
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.observe import context
from shared.observe.redaction import clean_event, clean_line, redact
from shared.observe.rendering import render_json, render_text

__all__ = ["configure", "get", "redact"]

_HANDED_ON: Final[list[Processor]] = [
    structlog.stdlib.filter_by_level,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module: an event name in snake case, and facts as keywords."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_HANDED_ON,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


def configure(
    service: str, *, level: str = "INFO", stream: TextIO | None = None, text: bool | None = None
) -> None:
    """Send all logs of this process, those of libraries too, to `stream` (standard error).

    Text instead of JSON is for people: the default on a terminal.
    """
    stream = stream or sys.stderr
    as_text = stream.isatty() if text is None else text
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(service, render_text if as_text else render_json))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    structlog.configure(  # for libraries that log by structlog: they would write text past all this
        processors=_HANDED_ON, logger_factory=structlog.stdlib.LoggerFactory()
    )
    logging.captureWarnings(capture=True)
    for chatty in ("aiosqlite", "asyncio", "alembic", "sqlalchemy"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # A lost connection is one line, not three and a stack; a call that was tried again is none.
    for told_by_us in ("aio_pika", "aiormq", "stamina"):
        logging.getLogger(told_by_us).setLevel(logging.CRITICAL)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, service: str, render: Any) -> None:
        def with_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
            event.setdefault("service", service)
            return event

        common: list[Processor] = [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_context,
            with_service,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
        ]
        super().__init__(
            processors=[*common, self.remove_processors_meta, clean_event, render],
        )

    def format(self, record: logging.LogRecord) -> str:
        return clean_line(super().format(record))


def _with_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for variable in (context.REQUEST_ID, context.RUN_ID):
        value = variable.get()
        if value is not None:
            event.setdefault(variable.name, value)
    return event
