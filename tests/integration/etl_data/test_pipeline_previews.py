"""Previews of pipelines: what each step makes of the first rows, from a child, with nothing written."""

from pathlib import Path
from typing import Any

import pytest

from services.etl.columns import Column, ColumnType
from services.etl.pipeline.definition import StepConfig
from services.etl.pipeline.job import JobFile, JobSource
from services.etl.previews.definition import PreviewRefused, PreviewUnavailable
from services.etl.previews.pipeline import PipelinePreview, PipelineSpec, PreviewedTarget, StepPreview
from services.etl.runner.executor import Executor
from shared.identifiers import uuid7

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOODS = """id,sku,price,sold
1, a ,1.50,2026-01-01
2,b,x,
3,a,3.00,2026-01-03
4,,4.25,2026-01-04
"""
COLUMNS = [
    {"name": "id", "type": "int64"},
    {"name": "sku", "type": "text"},
    {"name": "price", "type": "text"},
    {"name": "sold", "type": "date"},
]
CAST = {"step": "cast_types", "params": {"columns": [{"column": "price", "type": "decimal(9,2)"}]}}
HAS_SKU = {
    "step": "filter_rows",
    "params": {"condition": {"column": "sku", "op": "is_not_null"}},
}
RENAME = {"step": "column_mapping", "params": {"mapping": {"sku": "article"}}}


@pytest.fixture
def look(warm: Executor, tmp_path: Path) -> Any:
    async def look(
        *steps: dict[str, Any], content: str = GOODS, source: Any = None, **given: Any
    ) -> PipelinePreview:
        path = tmp_path / "goods.csv"
        path.write_text(content)
        params = {"file_id": str(uuid7()), "columns": COLUMNS} | (source or {})
        spec = PipelineSpec(
            source=JobSource(
                loader="csv",
                params=params,
                files=[JobFile(name="goods.csv", path=str(path), size=path.stat().st_size)],
            ),
            steps=[StepConfig.model_validate(step) for step in steps],
            **given,
        )
        return await warm.preview_pipeline(spec)

    return look


def cells(step: StepPreview) -> list[list[str | None]]:
    return [row.cells for row in step.rows]


async def test_each_step_shows_its_rows_columns_and_counts(look: Any) -> None:
    found = await look(CAST, HAS_SKU, RENAME)
    loader, cast, kept, renamed = found.steps
    assert [(step.step, step.position) for step in found.steps] == [
        ("csv", -1), ("cast_types", 0), ("filter_rows", 1), ("column_mapping", 2),
    ]  # fmt: skip
    assert cells(loader)[0] == ["1", " a ", "1.50", "2026-01-01"]
    assert [str(column.type) for column in cast.columns] == ["int64", "text", "decimal(9,2)", "date"]
    assert (cast.counts.rows_in, cast.counts.rows_out, cast.counts.rejected) == (4, 3, 1)
    assert (kept.counts.filtered, [row.record for row in kept.rows]) == (1, [1, 3])
    assert [column.name for column in renamed.columns] == ["id", "article", "price", "sold"]
    assert (found.rows_read, found.complete) == (4, True)
    assert all(step.counts.add_up() and step.milliseconds >= 0 for step in found.steps)


async def test_rows_know_where_they_come_from_and_those_that_go_know_why(look: Any) -> None:
    found = await look(CAST, HAS_SKU)
    _, cast, kept = found.steps
    assert [(row.record, row.before) for row in cast.rows] == [(1, 0), (3, 2), (4, 3)]
    assert [(row.before, row.why) for row in cast.gone] == [(1, "rejected")]
    assert [(row.record, row.before) for row in kept.rows] == [(1, 0), (3, 1)]
    assert [(row.before, row.why) for row in kept.gone] == [(2, "filtered")]
    (reject,) = cast.rejects
    assert (reject.record, reject.line, reject.column, reject.value) == (2, 3, "price", "x")


async def test_cells_that_change_are_named(look: Any) -> None:
    fill = {"step": "fill_missing", "params": {"values": {"sku": "none"}}}
    _, filled = (await look(fill)).steps
    assert [row.changed for row in filled.rows] == [[], [], [], ["sku"]]


async def test_values_are_shown_exactly(look: Any) -> None:
    columns = [
        {"name": "id", "type": "int64"},
        {"name": "sku", "type": "decimal(38,10)"},
        {"name": "price", "type": "timestamptz"},
        {"name": "sold", "type": "boolean"},
    ]
    content = (
        "id,sku,price,sold\n9223372036854775807,1234567890123456789012345678.0000000001,"
        "2026-01-01T00:00:00.000001+02:00,true\n"
    )
    (loader,) = (await look(content=content, source={"columns": columns})).steps
    (row,) = cells(loader)
    assert row[:2] == ["9223372036854775807", "1234567890123456789012345678.0000000001"]
    assert "22:00:00.000001" in (row[2] or "")


async def test_only_the_first_rows_are_taken_bad_ones_among_them(look: Any) -> None:
    content = "id,sku,price,sold\n" + "".join(f"{'x' if n in (3, 100) else n},a,1,\n" for n in range(1, 5000))
    found = await look(CAST, content=content, rows=5)
    loader, cast = found.steps
    assert (found.rows_read, found.complete) == (5, False)
    assert [row.record for row in loader.rows] == [1, 2, 4, 5]
    assert [reject.record for reject in loader.rejects] == [3]
    assert cast.counts.rows_in == 4


async def test_a_step_that_fails_is_shown_behind_those_that_do_not(look: Any) -> None:
    content = "id,sku,price,sold\n1,a,1,\n2,b\n"
    found = await look(CAST, content='id,sku,price,sold\n1,a,1,\n2,"b,1,\n')
    assert [step.step for step in found.steps] == ["csv"]
    problem = found.steps[0].problem
    assert problem is not None
    assert (problem.code, problem.loc) == ("unterminated_quote", ["source"])
    assert (await look(CAST, content=content)).steps[0].counts.rejected == 1


async def test_a_source_that_is_gone_is_its_loaders_problem(
    look: Any, warm: Executor, tmp_path: Path
) -> None:
    source = JobSource(
        loader="csv",
        params={"file_id": str(uuid7()), "columns": COLUMNS},
        files=[JobFile(path=str(tmp_path / "none.csv"), size=3)],
    )
    found = await warm.preview_pipeline(PipelineSpec(source=source, steps=[]))
    (loader,) = found.steps
    assert loader.problem is not None
    assert loader.problem.loc == ["source"]
    assert str(tmp_path) not in found.model_dump_json()


async def test_the_table_at_the_end_rejects_what_it_does_not_hold(look: Any) -> None:
    columns = [
        Column(name="id", type=ColumnType.parse("int16"), nullable=False),
        Column(name="sku", type=ColumnType.parse("varchar(3)"), nullable=False),
        Column(name="price", type=ColumnType.parse("text")),
        Column(name="sold", type=ColumnType.parse("date")),
    ]
    target = PreviewedTarget(engine="sqlite", columns=columns, key=["id"], mode="upsert")
    content = "id,sku,price,sold\n1,abc,1,\n70000,a,1,\n3,,1,\n4,long,,\n"
    found = await look(content=content, target=target)
    assert [step.step for step in found.steps] == ["csv", "database_save"]
    landed = found.steps[-1]
    assert [row.record for row in landed.rows] == [1]
    assert [(reject.record, reject.column) for reject in landed.rejects] == [
        (2, "id"),
        (3, "sku"),
        (4, "sku"),
    ]
    assert [row.why for row in landed.gone] == ["rejected"] * 3


async def test_a_step_of_the_whole_table_sees_the_sample(look: Any) -> None:
    dedupe = {"step": "deduplicate", "params": {"columns": ["sku"]}}
    found = await look(dedupe, HAS_SKU)
    _, once, _ = found.steps
    assert once.counts.deduplicated + once.counts.rows_out == 4
    assert {row.why for row in once.gone} <= {"deduplicated"}


async def test_long_cells_are_shortened_and_many_are_bounded(look: Any) -> None:
    names = [f"c{n}" for n in range(500)]
    content = ",".join(names) + "\n" + (",".join(["y" * 300] * 500) + "\n") * 60
    columns = [{"name": name, "type": "text"} for name in names]
    found = await look(content=content, source={"columns": columns}, rows=60)
    (loader,) = found.steps
    assert 0 < len(loader.rows) < 60
    assert loader.rows[0].cells[0] == "y" * 199 + "\u2026"
    assert loader.counts.rows_out == 60


@pytest.mark.parametrize(
    "step", [{"step": "nobody"}, {"step": "select_columns", "params": {"columns": ["z"]}}]
)
async def test_a_pipeline_that_can_not_run_is_refused_with_its_place(look: Any, step: Any) -> None:
    with pytest.raises(PreviewRefused) as raised:
        await look(step)
    assert raised.value.all_faults()[0].loc[:2] == ("steps", 0)


async def test_a_preview_that_takes_too_long_is_ended(look: Any) -> None:
    with pytest.raises(PreviewUnavailable):
        await look(CAST, timeout_seconds=0.001)
    assert len((await look(CAST)).steps) == 2
