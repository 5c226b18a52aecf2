"""Parameters of the loader of APIs that can't be, each at its place."""

from typing import Any

import pytest

from services.etl.loaders.http import Http
from services.etl.pipeline.errors import TypeMismatch
from services.etl.pipeline.step import ParamsInvalid
from shared.identifiers import uuid7

BASE = {
    "resource_id": str(uuid7()),
    "columns": [{"name": "id", "type": "int64"}, {"name": "tree", "type": "json"}],
}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"body": {}}, "body_misplaced"),
    ({"parameters_in": "body"}, "body_misplaced"),
    ({"method": "POST", "body": {"a": "x" * 200_000}}, "body_too_long"),
    ({"paging": "cursor"}, "next_path_unfit"),
    ({"paging": "page", "next_path": "next"}, "next_path_unfit"),
    ({"paging": "next_url", "next_path": "a..b"}, "json_path_invalid"),
    ({"paging": "link", "page_parameter": "p"}, "page_parameter_unfit"),
    ({"paging": "page", "last_page": "short"}, "page_size_missing"),
    ({"paging": "page", "size_parameter": "n"}, "page_size_unfit"),
    ({"paging": "page", "page_size": 5}, "page_size_unfit"),
    ({"last_page": "empty"}, "last_page_unfit"),
    ({"paging": "cursor", "next_path": "next", "format": "csv"}, "paging_unfit"),
    ({"records_path": "data", "format": "json_lines"}, "path_unfit"),
    ({"records_path": "data[0]"}, "json_path_invalid"),
    ({"format": "csv", "columns": [{"name": "a", "type": "text", "path": "b"}]}, "path_unfit"),
    ({"cursor_column": "id"}, "cursor_unfit"),
    ({"cursor_start": "1"}, "cursor_unfit"),
    ({"headers": {"Host": "other"}}, "header_reserved"),
    ({"headers": {"Authorization": "Bearer x"}}, "secret_misplaced"),
    ({"headers": {"X-A": "a\r\nX-B: b"}}, "string_pattern_mismatch"),
    ({"query": {"api_key": "x"}}, "secret_misplaced"),
    ({"path": "/a\r\nb"}, "string_pattern_mismatch"),
    ({"paging": "page", "query": {"page": "1"}}, "parameter_twice"),
    ({"columns": [{"name": "a", "type": "text"}] * 2}, "column_duplicate"),
]


@pytest.mark.parametrize(("given", "code"), WRONG)
def test_what_does_not_fit_together_is_refused(given: dict[str, Any], code: str) -> None:
    with pytest.raises(ParamsInvalid) as refused:
        Http.of(BASE | given)
    assert code in [fault.code for fault in refused.value.faults]


def test_a_cursor_needs_an_order() -> None:
    with pytest.raises(TypeMismatch) as refused:
        Http.of(BASE | {"cursor_column": "tree", "cursor_parameter": "since"}, loc=("source", "params"))
    assert refused.value.loc == ("source", "params", "cursor_column")


def test_a_parameter_in_the_body_is_found_by_keys_alone() -> None:
    given = {"method": "POST", "parameters_in": "body", "paging": "page", "page_parameter": "a[0]"}
    with pytest.raises(ParamsInvalid, match="of keys"):
        Http.of(BASE | given)
