"""Rows as answers."""

from shared import clock
from shared.db import repository
from shared.http import paging
from shared.identifiers import DataTableId

from .models import DataTable, TableCategory
from .schemas import CategoryView, DataTableSummary, DataTableView


def category(row: TableCategory) -> CategoryView:
    return CategoryView.model_validate(row)


def categories(page: repository.Page[TableCategory]) -> paging.Page[CategoryView]:
    return paging.Page(items=[category(row) for row in page.items], next_cursor=page.next_cursor)


def summary(row: DataTable) -> DataTableSummary:
    return DataTableSummary(
        id=DataTableId(row.id),
        display_name=row.display_name,
        description=row.description,
        category_id=row.category_id,
        tags=row.tags,
        resource_id=row.resource_id,
        resource_type=row.resource_type,
        schema_name=row.schema_name,
        physical_name=row.physical_name,
        state=row.standing.lifecycle,
        sync_state=row.standing.sync_state,
        revision=row.revision,
        published_revision=row.published_revision,
        last_published_at=row.last_published_at,
        inspected_at=row.inspected_at,
        changing=row.changing_id if row.is_held(clock.now()) else None,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def summaries(page: repository.Page[DataTable]) -> paging.Page[DataTableSummary]:
    return paging.Page(items=[summary(row) for row in page.items], next_cursor=page.next_cursor)


def table(row: DataTable) -> DataTableView:
    return DataTableView(**dict(summary(row)), **dict(row.wanted))
