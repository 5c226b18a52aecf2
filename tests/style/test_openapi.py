"""The written OpenAPI documents are those of the code, and valid."""

import json
from typing import Any

import openapi_spec_validator
import pytest

from deploy.openapi.documents import FOLDER, documents

NAMES = ("system", "meta", "etl")
METHODS = {"get", "put", "post", "patch", "delete", "head", "options"}
PROBLEMS = "application/problem+json"


@pytest.fixture(params=NAMES)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{request.param}.json").read_text(encoding="utf-8"))
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", declared)
        for path, item in document["paths"].items()
        for method, declared in item.items()
        if method in METHODS
    ]


def test_the_written_documents_are_those_of_the_code() -> None:
    outdated = [
        path.name
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert outdated == [], "run `make openapi`"


def test_a_document_is_valid_openapi(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_summary_a_tag_its_scopes_and_its_errors(document: dict[str, Any]) -> None:
    assert operations(document)
    for name, declared in operations(document):
        assert declared.get("summary"), name
        assert declared.get("tags"), name
        assert "security" in declared, name
        problems = [status for status, answer in declared["responses"].items() if PROBLEMS in str(answer)]
        references = [answer for answer in declared["responses"].values() if "$ref" in answer]
        assert problems or references, name
