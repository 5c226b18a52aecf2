"""Read the rows of a query."""

from pydantic import Field

from services.etl.loaders import _database_guard
from services.etl.loaders._database_loader import DatabaseLoader, Query
from shared.errors import Loc


class DatabaseQuery(DatabaseLoader):
    """Read the rows of a query.

    The query must be a single SELECT that changes nothing. It is read before it is sent, and then runs in a
    transaction that can't write, in one snapshot, under the rights of the resource's user: give that user no
    more than it needs. A value that is not of its column's declared type is rejected with its record.
    """

    name = "database_query"
    title = "Database query"
    examples = (
        {
            "resource_id": "018f0000-0000-7000-8000-000000000000",
            "query": "SELECT customer, sum(total) AS total FROM orders GROUP BY customer",
            "columns": [{"name": "customer", "type": "text"}, {"name": "total", "type": "decimal(38,2)"}],
        },
    )

    class Params(DatabaseLoader.Params):
        query: str = Field(
            min_length=1,
            max_length=_database_guard.MAX_LENGTH,
            description="A single SELECT, without a semicolon at its end.",
            json_schema_extra={"x-widget": "sql"},
        )

    params: Params

    def check(self, loc: Loc) -> None:
        """As its base; the query as well."""
        super().check(loc)
        _database_guard.check_query(self.params.query, loc=(*loc, "query"))

    @property
    def relation(self) -> Query:
        """The query."""
        return Query(self.params.query)
