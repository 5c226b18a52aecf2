"""How an API is asked, and how for its next page: parameters of the loader `http`."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, LiteralString, Self
from uuid import UUID

import orjson
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.etl.loaders._base import Loader
from services.etl.loaders._json_params import PathText, place_of
from shared.contracts.connection import RESERVED_HEADERS, HeaderName

Paging = Literal["none", "page", "offset", "cursor", "link", "next_url"]
COUNTED: Final[frozenset[Paging]] = frozenset({"page", "offset"})
"""Paging that nothing in an answer ends but that there are no more records."""

TOLD: Final[frozenset[Paging]] = frozenset({"cursor", "next_url"})
"""Paging where the answer's content tells how to go on."""

_NAMED: Final[frozenset[Paging]] = COUNTED | {"cursor"}
_SECRET: Final = frozenset({
    "authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "api_key", "apikey",
    "access_token", "client_secret", "password", "secret", "token",
})  # fmt: skip
_MAX_BODY: Final = 100_000

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")]
Value = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
HeaderValue = Annotated[str, Field(max_length=2000, pattern=r"^([!-~]([ -~]*[!-~])?)?$")]
Rule = tuple[bool, LiteralString, LiteralString]
"""Whether it is broken, its code, and the sentence that says so."""


def complain(rules: list[Rule]) -> None:
    """Raise the first rule that is broken, for validators of parameters."""
    for broken, code, sentence in rules:
        if broken:
            raise PydanticCustomError(code, sentence)


class Asking(Loader.Params):
    """The requests, and how far their failures and answers may go."""

    resource_id: UUID = Field(json_schema_extra={"x-widget": "resource"})
    path: str = Field(
        default="",
        max_length=1000,
        pattern=r"^[!\"$-~]*$",
        description="What comes behind the resource's address, as /orders or /orders?state=paid.",
    )
    method: Literal["GET", "POST"] = "GET"
    query: dict[Name, Value] = Field(
        default_factory=dict, max_length=100, description="Parameters behind the path."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        max_length=50,
        description="Further headers. Who asks is said by the resource: no secret belongs here.",
    )
    body: dict[str, Any] | None = Field(
        default=None, description="For POST: a JSON object that is sent with each request."
    )
    parameters_in: Literal["query", "body"] = Field(
        default="query",
        description="Where the parameters of pages and of the cursor go; in the body their names are paths.",
    )
    attempts: int = Field(
        default=5, ge=1, le=10, description="How often a page is asked for while the API has trouble."
    )
    timeout_seconds: float = Field(
        default=60.0, ge=1, le=3600, description="How long one answer may take to its end."
    )
    requests_per_second: float | None = Field(default=None, gt=0, le=1000)
    max_page_mib: int = Field(default=64, ge=1, le=4096, description="Size of one answer, in MiB.")
    max_total_mib: int = Field(default=16_384, ge=1, le=1 << 20, description="All answers, in MiB.")

    @field_validator("headers")
    @classmethod
    def _headers_fit(cls, headers: dict[str, str]) -> dict[str, str]:
        for name in headers:
            if name.lower() in RESERVED_HEADERS:
                facts = {"name": name}
                raise PydanticCustomError("header_reserved", "the header {name} can't be set here", facts)
        _check_no_secret(headers)
        return headers

    @field_validator("query")
    @classmethod
    def _no_secrets(cls, query: dict[str, str]) -> dict[str, str]:
        _check_no_secret(query)
        return query

    @field_validator("body")
    @classmethod
    def _body_fits(cls, body: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            size = len(orjson.dumps(body))
        except orjson.JSONEncodeError:
            raise PydanticCustomError("body_invalid", "it can't be written as JSON") from None
        if size > _MAX_BODY:
            facts = {"limit": _MAX_BODY}
            raise PydanticCustomError("body_too_long", "it is longer than {limit} bytes", facts)
        return body

    @model_validator(mode="after")
    def _body_is_sent(self) -> Self:
        posted = self.method == "POST"
        complain([
            (self.body is not None and not posted, "body_misplaced", "a body needs method POST"),
            (self.parameters_in == "body" and not posted, "body_misplaced", "a body needs method POST"),
        ])  # fmt: skip
        return self


def _check_no_secret(given: dict[str, str]) -> None:
    for name in given:
        if name.lower() in _SECRET:
            facts = {"name": name}
            raise PydanticCustomError("secret_misplaced", "{name} belongs into the resource", facts)


class Pages(Loader.Params):
    """From page to page."""

    paging: Paging = Field(
        default="none",
        description=(
            "How the next page is asked for: by its number, by how many records came before it, by a cursor"
            " in the answer, by the Link header (RFC 8288), or by a URL in the answer."
        ),
    )
    page_parameter: Name | None = Field(
        default=None, description="Parameter for it; page, offset or cursor without."
    )
    first_page: int = Field(default=1, ge=0, le=1_000_000, description="Number of the first page.")
    size_parameter: Name | None = Field(default=None, description="Parameter for page_size.")
    page_size: int | None = Field(
        default=None, ge=1, le=100_000, description="How many records a page is asked to have."
    )
    next_path: PathText | None = Field(
        default=None, description="Where in the answer the cursor or the URL of the next page lies."
    )
    last_page: Literal["auto", "empty", "short"] = Field(
        default="auto",
        description=(
            "What ends the pages, besides an answer that tells no next one: a page without records, or one"
            " with fewer than page_size. auto is empty for page and offset, and nothing else for the others."
        ),
    )
    max_pages: int = Field(
        default=10_000, ge=1, le=100_000, description="With more pages than that the run fails."
    )

    @field_validator("next_path")
    @classmethod
    def _readable(cls, path: str | None) -> str | None:
        place_of(path)
        return path

    @model_validator(mode="after")
    def _together(self) -> Self:
        complain(list(self._rules()))
        return self

    def _rules(self) -> Iterator[Rule]:
        told = self.paging in TOLD
        sentence: LiteralString = "paging by cursor or next_url needs next_path, and no other has one"
        yield told != (self.next_path is not None), "next_path_unfit", sentence
        sentence = "paging by page, offset or cursor has a parameter, no other"
        yield (
            self.page_parameter is not None and self.paging not in _NAMED,
            "page_parameter_unfit",
            sentence,
        )
        short = self.last_page == "short"
        yield short and self.page_size is None, "page_size_missing", "a short page is told by page_size"
        sentence = "size_parameter needs page_size, and page_size one of size_parameter and last_page short"
        yield (
            (self.size_parameter is not None and self.page_size is None)
            or (self.page_size is not None and self.size_parameter is None and not short),
            "page_size_unfit",
            sentence,
        )  # fmt: skip
        alone = self.paging == "none" and self.last_page != "auto"
        yield alone, "last_page_unfit", "a single page is the last one"

    @property
    def named(self) -> str:
        """The parameter that says which page is asked for."""
        return self.page_parameter or self.paging
