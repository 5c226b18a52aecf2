"""What can be wrong with a file beyond its text."""

from services.etl.pipeline.errors import SourceInvalid


class FilesMissing(SourceInvalid):
    """There is no file whose name fits {pattern!r}."""


class BucketMissing(SourceInvalid):
    """The resource of the source is no bucket."""


class ObjectsTooMany(SourceInvalid):
    """More than {limit} objects have a key that fits {pattern!r}."""


class ObjectTooLarge(SourceInvalid):
    """The object {key!r} has more than {limit} MiB, which a preview has to fetch as a whole."""


class BeginningTooShort(SourceInvalid):
    """The first {limit} MiB of {key!r} have fewer rows than asked for: a preview fetches no more."""


class FileRefused(SourceInvalid):
    """In the file {file!r}: {sentence}"""  # noqa: D400  the sentence of another error ends it


class CompressionInvalid(SourceInvalid):
    """The file is no whole {codec} file: it ends early, or holds something else."""


class CompressionBomb(SourceInvalid):
    """The file unpacks to more than {limit}: it is not read any further."""


class ValueUnfit(SourceInvalid):
    """Record {record}{place} has a value in column {column!r} that {reason}; the column ends the run then."""


class JsonInvalid(SourceInvalid):
    """The file is no JSON of the declared layout: {reason}, at line {line}."""


class KeyUndeclared(SourceInvalid):
    """Record {record} (line {line}) has the key {key!r}, which no column is declared for."""


class WorkbookInvalid(SourceInvalid):
    """The workbook can't be read: {reason}."""


class ParquetInvalid(SourceInvalid):
    """The Parquet file can't be read: {reason}."""
