"""Starting and stopping a process whose lock is taken for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.supervisor import instance, lifecycle, status
from deploy.supervisor.failure import CommandFailed
from deploy.supervisor.layout import ROOT, Layout
from deploy.supervisor.programs import Program
from tests.servers.private import environment, free_port

pytestmark = pytest.mark.filterwarnings(
    "ignore:subprocess .* is still running:ResourceWarning",  # as it should be: it outlives the command
    "ignore:.*Popen.__del__:pytest.PytestUnraisableExceptionWarning",
)

ANSWERS = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


def program(folder: Path, code: str) -> Program:
    port = free_port()
    return Program(
        "member",
        (sys.executable, "-c", code, str(port)),
        environment(),
        folder / "run" / "member.lock",
        folder / "logs" / "member.log",
        url=f"http://127.0.0.1:{port}",
    )


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Program]:
    made = program(tmp_path, ANSWERS)
    yield made
    lifecycle.stop(made)


def test_a_process_that_was_started_is_found_by_its_lock_until_it_is_stopped(member: Program) -> None:
    running = lifecycle.start(member)
    assert (running.url, instance.find(member.lock)) == (member.url, running)
    assert lifecycle.start(member) == running, "one that runs is left alone"
    assert lifecycle.stop(member) == running
    assert instance.find(member.lock) is None
    assert lifecycle.stop(member) is None


def test_the_status_of_a_team_is_a_line_for_each_process(member: Program, tmp_path: Path) -> None:
    layout = Layout(ROOT, tmp_path)
    stopped = status.look(member, layout)
    running = lifecycle.start(member)
    ready = status.look(member, layout)
    shown = "\n".join(status.lines([ready, stopped]))
    assert (stopped.state, ready.state) == ("stopped", "ready")
    assert all(part in shown for part in ("member     ready", str(running.pid), "member     stopped"))


def test_a_process_without_its_broker_is_ready_and_says_so(tmp_path: Path) -> None:
    one = program(tmp_path, ANSWERS.replace('b"{}"', """b'{"services": ["etl"], "away": ["bus"]}'"""))
    try:
        lifecycle.start(one)
        seen = status.look(one, Layout(ROOT, tmp_path))
        assert (seen.state, seen.away) == ("ready", ("bus",))
        assert seen.row().endswith("  without bus")
    finally:
        lifecycle.stop(one)


def test_a_process_that_ends_at_once_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    fails = program(tmp_path, "raise SystemExit('no such setting')")
    with pytest.raises(CommandFailed, match=r"member ended with exit code 1(.|\n)*no such setting"):
        lifecycle.start(fails)
    assert instance.find(fails.lock) is None
