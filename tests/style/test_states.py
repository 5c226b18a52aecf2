"""The state tables of docs/architecture.md are those of the code."""

from services.etl.tables.states import TRANSITIONS, Event, State
from tests.style.sources import ROOT

_EVENTS = {"edited": "edited_apart"}


def test_the_states_of_a_data_table_are_documented_as_they_are() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    chapter = text.partition("## How a data table changes\n")[2].partition("\n## ")[0]
    head, _, *rows = [_cells(line) for line in chapter.splitlines() if line.startswith("|")]
    events = [Event(_EVENTS.get(name, name.replace(" ", "_"))) for name in head[1:]]
    written = {
        (State(row[0]), event): State(cell)
        for row in rows
        for event, cell in zip(events, row[1:], strict=True)
        if cell
    }
    assert written == dict(TRANSITIONS)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]
