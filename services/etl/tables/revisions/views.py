"""Revisions as answers."""

from services.etl.tables.models import DataTableRevision
from shared.db import repository
from shared.http import paging

from .schemas import RevisionSummary, RevisionView


def summary(row: DataTableRevision) -> RevisionSummary:
    return RevisionSummary(
        revision=row.revision,
        schema_name=row.schema_name,
        physical_name=row.physical_name,
        created_at=row.created_at,
        created_by=row.created_by,
        published_at=row.published_at,
    )


def summaries(page: repository.Page[DataTableRevision]) -> paging.Page[RevisionSummary]:
    return paging.Page(items=[summary(row) for row in page.items], next_cursor=page.next_cursor)


def revision(row: DataTableRevision) -> RevisionView:
    return RevisionView(**dict(summary(row)), **dict(row.wanted))
