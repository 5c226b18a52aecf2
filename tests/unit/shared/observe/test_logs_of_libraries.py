"""What libraries log by structlog goes the way of all logs: as JSON, without secrets, where ours go."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import stamina
import structlog

from shared.observe import logs, redaction

SECRET = "correct horse battery"


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where the logs of this test go."""
    monkeypatch.setattr(redaction, "_secrets", redaction._Secrets())
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("shop", stream=stream)
    yield stream
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_they_are_told_as_ours_are(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    logs.redact(SECRET)
    structlog.get_logger("elsewhere").warning("it_happened", about=f"with {SECRET}")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("it_happened", "elsewhere", "warning")
    assert "horse" not in stream.getvalue()
    assert capsys.readouterr() == ("", "")


async def test_a_call_that_is_tried_again_writes_no_line(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    tries = 0
    async for attempt in stamina.retry_context(on=OSError, wait_initial=0, wait_jitter=0):
        with attempt:
            tries += 1
            if tries == 1:
                raise OSError
    assert (tries, stream.getvalue(), capsys.readouterr().out) == (2, "", "")
