"""What tests of the bucket client need: a client, files, and metadata of an upload."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shared.contracts.connection import S3Connection
from shared.engines.s3 import Bucket, Stored
from shared.http.outbound import Outbound
from tests.servers.s3 import S3Server

RUN = {"penstock-run": "018f", "penstock-counts": '{"rows":  2}'}


def bucket_of(server: S3Server, outbound: Outbound, *, tries: int = 3, **changes: Any) -> Bucket:
    """A client of the server's bucket."""
    connection = TypeAdapter(S3Connection).validate_python(server.connection(**changes))
    return Bucket(connection, outbound, tries=tries)


async def listed(bucket: Bucket, prefix: str = "") -> list[Stored]:
    """All objects with this prefix."""
    return [found async for found in bucket.listed(prefix)]


def file_of(folder: Path, content: bytes) -> Path:
    """A file with this content."""
    path = folder / "sent"
    path.write_bytes(content)
    return path
