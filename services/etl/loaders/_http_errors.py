"""What can be wrong with the answers of an API. Nothing of a request or an answer is quoted."""

from services.etl.pipeline.errors import SourceInvalid


class PageRefused(SourceInvalid):
    """On page {page}: {sentence}"""  # noqa: D400  the sentence of another error ends it


class AccessRefused(SourceInvalid):
    """The API refuses who we are (status {status}): check how its resource proves who calls."""


class AccessForbidden(SourceInvalid):
    """The API knows who we are, but does not let us read this (status {status})."""


class StatusUnexpected(SourceInvalid):
    """The API answers with status {status}: {reason}."""


class AnswerTooLong(SourceInvalid):
    """The answer is longer than {limit} MiB: ask for smaller pages, or raise max_page_mib."""


class AnswersTooLong(SourceInvalid):
    """All answers together are longer than {limit} MiB: ask for less, or raise max_total_mib."""


class PageRepeated(SourceInvalid):
    """The API goes in a circle: {reason}."""


class PagesTooMany(SourceInvalid):
    """There are more than {limit} pages: ask for less, or raise max_pages."""


class NextPageInvalid(SourceInvalid):
    """How the next page is asked for can't be used: {reason}."""
