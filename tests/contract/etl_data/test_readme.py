"""The handler that the README shows is a handler, exactly as it stands there."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.pipeline.context import Context
from shared.errors import PenstockError
from shared.plugins.describe import describe

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path / "readme_handler.py"
    path.write_text(found[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("readme_handler", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["readme_handler"] = made
    spec.loader.exec_module(made)
    yield made
    del sys.modules["readme_handler"]


def test_it_describes_itself(module: ModuleType) -> None:
    description = describe(module.TrimText)
    assert description.name == "trim_text"
    assert description.params_schema["properties"]["columns"]["description"] == "The columns to trim."


def test_it_names_the_place_of_an_unknown_column(module: ModuleType) -> None:
    step = module.TrimText(module.TrimText.Params(columns=["nobody"]))
    with pytest.raises(PenstockError) as caught:
        step.columns_out(Columns([Column(name="name", type=ColumnType("text"))]))
    assert caught.value.all_faults()[0].loc == ("columns", 0)


def test_it_trims(module: ModuleType) -> None:
    step = module.TrimText(module.TrimText.Params(columns=["name"]))
    frame = pa.table({"name": pa.array(["  a", "b ", None])}).to_pandas(types_mapper=pd.ArrowDtype)
    assert step.apply(frame, Context.__new__(Context))["name"].to_list()[:2] == ["a", "b"]
