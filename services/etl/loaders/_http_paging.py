"""Which page comes next, and when there is none: decided by what was answered, never by a guess."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.etl.loaders import _http_next
from services.etl.loaders._base import SourceFile
from services.etl.loaders._http_errors import NextPageInvalid, PageRepeated, PagesTooMany
from services.etl.loaders._http_params import COUNTED, Pages
from services.etl.loaders.http import Http
from services.etl.pipeline.json_paths import MISSING, parse_path
from shared.contracts.connection import HttpConnection
from shared.engines import http

_MAX_CURSOR: Final = 4000
_HALF: Final = re.compile("[\ud800-\udfff]")
"""Lone surrogates, which no URL and no body can carry."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How a page is asked for: with parameters of its own, or by a whole URL. `number` counts from 1."""

    number: int
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: its content in a file, the URL that gave it, its Link headers, its SHA-256.

    `empty` where its status says that it has no content.
    """

    file: SourceFile
    url: str
    links: tuple[str, ...]
    digest: bytes
    empty: bool = False


class Course:
    """From the first page to the last. Raises SourceInvalid where the way is lost."""

    def __init__(self, loader: Http, connection: HttpConnection, *, cursor: str | None) -> None:
        self._params: Pages = loader.params
        self._connection = connection
        self._fixed = dict[str, int | str]()
        if loader.params.size_parameter is not None and loader.params.page_size is not None:
            self._fixed[loader.params.size_parameter] = loader.params.page_size
        if loader.params.cursor_parameter is not None and cursor is not None:
            self._fixed[loader.params.cursor_parameter] = cursor
        self._records = 0
        self._seen = set[bytes]()

    def first(self) -> Ask:
        """The first page."""
        start = {"page": self._params.first_page, "offset": 0}.get(self._params.paging)
        return Ask(1, self._fixed if start is None else self._fixed | {self._params.named: start})

    def after(self, ask: Ask, page: Page, records: int) -> Ask | None:
        """What comes after a page that had so many records; None after the last one."""
        params = self._params
        self._records += records
        if params.paging == "none" or self._is_last(records):
            return None
        following = self._counted(ask, page) if params.paging in COUNTED else self._told(ask, page)
        if following is not None and following.number > params.max_pages:
            raise PagesTooMany(limit=params.max_pages)
        return following

    def _is_last(self, records: int) -> bool:
        rule, size = self._params.last_page, self._params.page_size
        if rule == "auto":
            return not records and self._params.paging in COUNTED
        return records < (size or 1) if rule == "short" else not records

    def _counted(self, ask: Ask, page: Page) -> Ask:
        self._once(page.digest, "a page came twice, so the parameter of pages seems to mean nothing to it")
        place = self._records
        if self._params.paging == "page":
            place = self._params.first_page + ask.number
        return Ask(ask.number + 1, self._fixed | {self._params.named: place})

    def _told(self, ask: Ask, page: Page) -> Ask | None:
        if self._params.paging == "link":
            link = _http_next.next_link(page.links)
            return None if link is None else self._by_url(ask, page, link)
        value = _http_next.value_at(page.file, parse_path(self._params.next_path or "$"))
        if value is MISSING or value is None or value is False or value == "":
            return None
        if not isinstance(value, str):
            raise NextPageInvalid(reason="what lies at next_path is no text and no number")
        if _HALF.search(value):
            raise NextPageInvalid(reason="what lies at next_path has half a character in it")
        if self._params.paging == "next_url":
            return self._by_url(ask, page, value)
        if len(value) > _MAX_CURSOR:
            raise NextPageInvalid(reason=f"its cursor is longer than {_MAX_CURSOR} characters")
        self._once(_digest(value), "a cursor came twice; where the last page has one, set last_page to empty")
        return Ask(ask.number + 1, self._fixed | {self._params.named: value})

    def _by_url(self, ask: Ask, page: Page, told: str) -> Ask:
        try:
            url = http.followed(self._connection, page.url, told)
        except http.UrlRefused as error:
            raise NextPageInvalid(reason=str(error)) from None
        self._once(_digest(url), "a URL of a next page came twice")
        return Ask(ask.number + 1, self._fixed, url)

    def _once(self, digest: bytes, reason: str) -> None:
        if digest in self._seen:
            raise PageRepeated(reason=reason)
        self._seen.add(digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
