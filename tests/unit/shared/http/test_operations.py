"""Declaring operations: what is left open or contradicts itself is refused at once."""

import types
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from shared.errors import NotFound
from shared.http import problems
from shared.http.operation import PUBLIC, operation, operations_of
from shared.http.request import Request
from shared.http.responses import Accepted, Created
from shared.http.services import Services
from tests.unit.shared.http import sample


class Inner(BaseModel):
    name: str


class Open(BaseModel):
    name: str


class OpenInside(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inner: list[Inner]


class View(BaseModel):
    name: str


async def plain(request: Request) -> None:
    """Do nothing."""


async def silent(request: Request) -> None:
    pass


async def with_body(request: Request, body: Open) -> None:
    """Take a body."""


async def with_deep_body(request: Request, body: OpenInside) -> None:
    """Take a body."""


async def with_id(request: Request, task: UUID) -> None:
    """Take an id."""


async def without_annotation(request: Request, task) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Take anything."""


@pytest.mark.parametrize(
    ("handler", "declaration", "complaint"),
    [
        (plain, {"scopes": []}, "needs a list of scopes"),
        (plain, {"scopes": None}, "needs a list of scopes"),
        (plain, {"scopes": "task:read"}, "needs a list of scopes"),
        (plain, {"scopes": ["task:everything"]}, "no scope task:everything"),
        (plain, {"scopes": PUBLIC, "method": "FETCH"}, "not a method"),
        (silent, {"scopes": PUBLIC}, "no docstring"),
        (with_body, {"scopes": PUBLIC, "body": Open}, "Open needs extra='forbid'"),
        (with_deep_body, {"scopes": PUBLIC, "body": OpenInside}, "Inner needs extra='forbid'"),
        (plain, {"scopes": PUBLIC, "body": Open}, "takes"),
        (with_body, {"scopes": PUBLIC}, "takes"),
        (plain, {"scopes": PUBLIC, "path": "/{task}"}, "annotated parameter task"),
        (without_annotation, {"scopes": PUBLIC, "path": "/{task}"}, "annotated parameter task"),
        (with_id, {"scopes": PUBLIC}, "takes"),
        (plain, {"scopes": PUBLIC, "returns": web.StreamResponse}, "EVENT_STREAM"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused(
    handler: Any, declaration: dict[str, Any], complaint: str
) -> None:
    given = {"method": "GET", "path": "/x"} | declaration
    with pytest.raises(ValueError, match=complaint):
        operation(given.pop("method"), given.pop("path"), **given)(handler)


def test_scopes_can_not_be_left_out() -> None:
    with pytest.raises(TypeError, match="scopes"):
        operation("GET", "/x")(plain)  # type: ignore[call-arg]  # that is the point


def test_the_status_follows_from_what_is_returned() -> None:
    async def created(request: Request) -> Created[View]:
        """Make."""
        raise NotImplementedError

    async def accepted(request: Request) -> Accepted[View]:
        """Start."""
        raise NotImplementedError

    handlers: list[tuple[Any, Any]] = [(created, View), (accepted, View), (plain, None), (plain, View)]
    found = [
        operation("POST", "/x", scopes=PUBLIC, returns=returns)(handler).__operation__.status
        for handler, returns in handlers
    ]
    assert found == [201, 202, 204, 200]


def test_the_docstring_is_the_documentation_and_the_feature_is_the_tag() -> None:
    listed = next(one for one in operations_of([sample]) if one.name == "list_tasks")
    assert (listed.summary, listed.description, listed.tags) == ("List tasks", "Newest first.", ("http",))


def test_two_operations_with_one_name_or_one_path_are_refused() -> None:
    def module(name: str, path: str) -> types.ModuleType:
        async def handler(request: Request, task: UUID) -> None:
            """Do something."""

        handler.__name__ = name
        made = types.ModuleType("made")
        made.handler = operation("GET", path, scopes=PUBLIC)(handler)  # type: ignore[attr-defined]  # a module is a bag
        return made

    first = module("one", "/things/{task}")
    operations_of([first, first])
    with pytest.raises(ValueError, match="both one"):
        operations_of([first, module("one", "/others/{task}")])
    with pytest.raises(ValueError, match=r"both GET /things/\{\}"):
        operations_of([first, module("two", "/things/{task}")])


def test_two_features_can_not_disagree_about_a_status() -> None:
    class Gone(NotFound):
        """It is gone."""

    one, other = types.ModuleType("one"), types.ModuleType("other")
    one.STATUS_OF, other.STATUS_OF = {Gone: 410}, {Gone: 404}  # type: ignore[attr-defined]  # as above
    assert problems.statuses_of([one, one])[Gone] == 410
    with pytest.raises(ValueError, match="Gone is 410 already"):
        problems.statuses_of([one, other])


def test_a_service_is_found_by_its_type() -> None:
    services = Services()
    services.add(sample.Memory, sample.Memory())
    assert isinstance(services.get(sample.Memory), sample.Memory)
    with pytest.raises(ValueError, match="Memory is registered already"):
        services.add(sample.Memory, sample.Memory())
    with pytest.raises(LookupError, match="no View is registered"):
        services.get(View)
