"""The contract that third parties can run: ours keep it, and it finds those that don't."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers import new
from services.etl.handlers._base import Handler, HandlerStep
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context
from services.etl.pipeline.errors import HandlerBroken
from services.etl.pipeline.handler_contract import ContractBroken, check_handler
from services.etl.pipeline.registry import own_steps

ROOT = Path(__file__).resolve().parents[3]
HANDLERS = own_steps().handlers
TYPES = {
    "flight": "int64", "dep_time": "int32", "dep_delay": "int32", "arr_delay": "int32", "distance": "int32",
    "time_hour": "timestamptz", "fare": "decimal(10,2)", "code": "varchar(20)", "seen": "int64",
    "card": "int64", "payload": "json", "items": "json", "q1": "decimal(10,2)", "q2": "decimal(10,2)",
    "q3": "decimal(10,2)", "q4": "decimal(10,2)", "carrier": "text", "origin": "text", "dest": "text",
    "tailnum": "text", "note": "text", "day": "text", "year": "text", "labels": "text", "mail": "text",
    "customer": "text", "name": "text", "departure": "text", "status": "text", "phone": "text",
    "route": "text", "place": "text",
}  # fmt: skip
COLUMNS = Columns(Column(name=name, type=ColumnType.parse(kind)) for name, kind in TYPES.items())


class Airlines:
    """A source to look into."""

    columns = Columns(Column(name=name, type=ColumnType("text")) for name in ("carrier", "name"))

    def batches(self) -> Iterator[Any]:
        rows = [{"carrier": "a", "name": "Airline A"}, {"carrier": "12", "name": None}]
        yield pa.RecordBatch.from_pylist(rows, schema=arrow_schema(self.columns))


@pytest.mark.parametrize("kind", HANDLERS.values(), ids=list(HANDLERS))
def test_every_handler_keeps_the_contract(kind: type[HandlerStep]) -> None:
    columns = COLUMNS.without(["name"]) if kind.name == "join" else COLUMNS
    check_handler(kind, columns, lookups={"right": Airlines()} if kind.name == "join" else None)


class Keeping(Handler):
    """Keep what is there."""

    name = "keeping"
    examples = ({},)

    def columns_out(self, columns: Columns) -> Columns:
        return columns

    def apply(self, frame: Any, context: Context) -> Any:
        return frame


class TestWhatIsFound:
    def broken(self, **members: Any) -> type[HandlerStep]:
        return type("Broken", (Keeping,), {"__doc__": "Break something.", **members})

    def check(self, **members: Any) -> None:
        check_handler(self.broken(**members), COLUMNS.only(["flight", "name"]))

    def test_one_that_keeps_it_passes(self) -> None:
        self.check()

    def test_rows_that_go_without_a_word(self) -> None:
        with pytest.raises(ContractBroken, match="account for all rows"):
            self.check(apply=lambda _, frame, __: frame.head(3))

    def test_rows_that_depend_on_their_batch(self) -> None:
        def first(_: Handler, frame: Any, context: Context) -> Any:
            context.filtered(len(frame) - len(frame.head(1)))
            return frame.head(1)

        with pytest.raises(ContractBroken, match="when the batches are others"):
            self.check(apply=first)

    def test_record_numbers_that_are_lost(self) -> None:
        with pytest.raises(HandlerBroken, match="record numbers"):
            self.check(apply=lambda _, frame, __: frame.reset_index(drop=True))

    def test_columns_that_are_not_those_promised(self) -> None:
        with pytest.raises(HandlerBroken, match="columns_out"):
            self.check(apply=lambda _, frame, __: frame[["name"]])

    def test_an_input_that_is_changed(self) -> None:
        def spoil(_: Handler, frame: Any, __: Context) -> Any:
            frame["name"] = "x"
            return frame

        with pytest.raises(AssertionError, match="are different"):
            self.check(apply=spoil)

    def test_parameters_that_are_taken_unknown(self) -> None:
        class Open(Keeping.Params):
            model_config = {"extra": "ignore"}  # noqa: RUF012  pydantic's own way

        with pytest.raises(ContractBroken, match="doesn't know"):
            self.check(Params=Open)

    def test_one_without_examples(self) -> None:
        with pytest.raises(ContractBroken, match="no examples"):
            self.check(examples=())


class TestNew:
    def test_the_template_is_a_handler_whose_own_test_passes(self, tmp_path: Path) -> None:
        assert new.main(["shorten_names", str(tmp_path / "theirs")]) == 0
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "--rootdir",
                ".",
                "-c",
                "/dev/null",
            ],
            cwd=tmp_path / "theirs",
            env={"PYTHONPATH": f"{ROOT}:{tmp_path / 'theirs'}", "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "1 passed" in done.stdout, done.stdout + done.stderr

    def test_what_is_there_is_not_overwritten(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        new.main(["shorten_names", str(tmp_path)])
        with pytest.raises(SystemExit):
            new.main(["shorten_names", str(tmp_path)])
        assert "is there already" in capsys.readouterr().err

    @pytest.mark.parametrize("name", ["Trim", "1st", "a-b", "über"])
    def test_a_name_that_no_step_may_have_is_refused(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(SystemExit):
            new.main([name, str(tmp_path)])
        assert list(tmp_path.iterdir()) == []
