"""Handlers of third parties: found by their entry points, asked in a child, loaded by nobody else."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers import new
from services.etl.pipeline import registry, third_party
from services.etl.pipeline.definition import PipelineConfig, SourceConfig, StepConfig
from services.etl.pipeline.validate import PipelineInvalid, validate
from shared.errors import PenstockError, Unavailable
from shared.plugins.describe import describe

Install = Callable[[str, str], None]
COLUMNS = Columns([Column(name="name", type=ColumnType("text")), Column(name="n", type=ColumnType("int64"))])


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs packages, as pip would lay them out, where this process and its children look."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = third_party._Asking()
    monkeypatch.setattr(third_party, "_child", lambda: child)

    def install(name: str, change: str = "") -> None:
        code, _, _ = new.write(name, tmp_path / "made" / name)
        (tmp_path / code.name).write_text(code.read_text() + change)
        title = "".join(part.capitalize() for part in name.split("_"))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{third_party.GROUP}]\n{name} = {name}:{title}\n")

    yield install
    child.end()


def pipeline(step: StepConfig) -> PipelineConfig:
    source = {
        "file_id": "018f0000-0000-7000-8000-000000000000",
        "columns": [{"name": "name", "type": "text"}],
    }
    save = StepConfig(step="database_save", params={"table_id": "018f0000-0000-7000-8000-000000000001"})
    return PipelineConfig(source=SourceConfig(loader="csv", params=source), steps=[step, save])


def known() -> registry.Steps:
    own = registry.own_steps()
    return registry.Steps(own.loaders, {**own.handlers, **third_party.described()}, own.destinations)


def test_it_is_described_without_its_code_being_loaded(install: Install) -> None:
    install("shorten_names", "")
    description = describe(third_party.described()["shorten_names"])
    assert description.summary == "Cut blanks off both ends of texts."
    assert description.params_schema["properties"]["columns"]["description"] == "The columns to trim."
    assert "shorten_names" not in sys.modules


def test_a_pipeline_with_it_is_validated_with_the_places_that_it_names(install: Install) -> None:
    install("shorten_names", "")
    step = StepConfig(step="shorten_names", params={"columns": ["name"]})
    assert validate(pipeline(step), known()).columns_out.names == ("name",)
    with pytest.raises(PipelineInvalid) as raised:
        validate(pipeline(StepConfig(step="shorten_names", params={"columns": ["nobody"]})), known())
    assert raised.value.all_faults()[0].loc == ("steps", 0, "params", "columns", 0)
    with pytest.raises(PipelineInvalid) as raised:
        validate(pipeline(StepConfig(step="shorten_names", params={"colums": []})), known())
    assert ("steps", 0, "params", "colums") in {fault.loc for fault in raised.value.all_faults()}
    assert "shorten_names" not in sys.modules


def test_one_that_is_broken_is_left_out_and_the_others_are_there(install: Install) -> None:
    install("shorten_names", "")
    install("never_loads", "\nraise SystemExit(3)\n")
    assert list(third_party.described()) == ["shorten_names"]


def test_one_that_prints_does_not_get_between_the_answers(install: Install) -> None:
    install("talks_much", "\nprint('hello')\n")
    assert list(third_party.described()) == ["talks_much"]


def test_one_whose_own_code_fails_refuses_with_a_sentence(install: Install) -> None:
    install("fails_later", "\nFailsLater.columns_out = lambda self, columns: 1 / 0\n")
    step = third_party.described()["fails_later"].of({"columns": ["name"]})
    with pytest.raises(PenstockError, match="its own code fails with ZeroDivisionError"):
        step.columns_out(COLUMNS)


def test_one_that_does_not_answer_is_unavailable_and_asked_anew(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("hangs_once", "\nimport time\nHangsOnce.columns_out = lambda self, columns: time.sleep(60)\n")
    kind = third_party.described()["hangs_once"]
    step = kind.of({"columns": ["name"]})
    monkeypatch.setattr(third_party, "ANSWERS_WITHIN", 0.3)
    with pytest.raises(Unavailable):
        step.columns_out(COLUMNS)
    monkeypatch.setattr(third_party, "ANSWERS_WITHIN", 5.0)
    kind.of({"columns": ["name"]})


def test_without_any_no_child_is_started() -> None:
    assert third_party.described() == {}
