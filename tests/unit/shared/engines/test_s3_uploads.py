"""Objects that are written: at once or not at all, and never over what somebody else has written."""

import asyncio
import threading
from pathlib import Path

import pytest

from shared.engines import s3
from shared.engines.errors import ConnectFailedForNow
from shared.engines.s3 import ObjectChanged
from shared.http.outbound import Outbound
from tests.servers.s3 import S3Server
from tests.unit.shared.engines.buckets import RUN, bucket_of, file_of


@pytest.mark.parametrize("large", [False, True])
async def test_a_write_with_a_condition_never_replaces_what_somebody_else_wrote(
    large: bool, server: S3Server, outbound: Outbound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SINGLE_BYTES", 1 if large else 1 << 20)
    bucket, path = bucket_of(server, outbound), file_of(tmp_path, b"ours")
    tag = await bucket.upload(path, "a", metadata=RUN, if_none_match=True)
    with pytest.raises(ObjectChanged):
        await bucket.upload(path, "a", metadata={"penstock-run": "other"}, if_none_match=True)
    path.write_bytes(b"again")
    tag = await bucket.upload(path, "a", metadata=RUN, if_match=tag)
    server.put("a", b"theirs")
    with pytest.raises(ObjectChanged):
        await bucket.upload(path, "a", metadata=RUN, if_match=tag)
    assert server.objects["a"].content == b"theirs"
    del server.objects["a"]
    with pytest.raises(ObjectChanged):
        await bucket.upload(path, "a", metadata=RUN, if_match=tag)
    assert server.uploads == {}


@pytest.mark.parametrize("large", [False, True])
async def test_a_write_whose_answer_was_lost_is_found_again(
    large: bool, server: S3Server, outbound: Outbound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "SINGLE_BYTES", 1 if large else 1 << 20)
    bucket, path = bucket_of(server, outbound), file_of(tmp_path, b"ours")
    lost = {"method": "POST", "asks": "uploadId"} if large else {"method": "PUT"}
    server.trouble(lost=True, **lost)
    tag = await bucket.upload(path, "a", metadata=RUN, if_none_match=True)
    assert server.objects["a"].etag == tag
    assert server.objects["a"].content == b"ours"


async def test_what_was_sent_of_a_large_file_is_taken_back(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    path = file_of(tmp_path, bytes(17 << 20))
    server.trouble(method="PUT", times=3, status=503)
    with pytest.raises(ConnectFailedForNow):
        await bucket_of(server, outbound).upload(path, "a", metadata=RUN)
    assert (server.uploads, server.objects) == ({}, {})


async def test_a_cancelled_upload_is_taken_back(server: S3Server, outbound: Outbound, tmp_path: Path) -> None:
    path = file_of(tmp_path, bytes(17 << 20))
    held = server.trouble(method="PUT", held=threading.Event())
    sending = asyncio.ensure_future(bucket_of(server, outbound).upload(path, "a"))
    assert await asyncio.to_thread(held.come.wait, 10)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert server.uploads == {}


async def test_a_large_file_arrives_whole_in_parts(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    content = bytes(range(256)) * (17 << 12)
    bucket = bucket_of(server, outbound)
    tag = await bucket.upload(file_of(tmp_path, content), "a", metadata=RUN)
    assert server.objects["a"].content == content
    assert server.objects["a"].metadata == RUN
    assert tag.endswith("-3")
