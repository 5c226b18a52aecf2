import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.etl.files.service import CHUNK_BYTES
from shared.identifiers import uuid7
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import CSV, Answer, House


async def announced(house: House, size: int = len(CSV)) -> Any:
    body = {"name": "flights.csv", "size": size}
    return (await house.call("POST", "/files", body=body, expect=201)).body


async def patch(house: House, file: Any, data: bytes, offset: object) -> Answer:
    return await house.call(
        "PATCH", f"/files/{file['id']}/content", data=data, headers={"Upload-Offset": str(offset)}
    )


def stored(house: House, file: Any) -> Path:
    return house.settings.files_folder / str(house.tenant) / str(file["id"])


async def test_an_announced_file_is_uploading(house: House) -> None:
    file = await announced(house)

    assert (file["state"], file["received"], file["sha256"]) == ("uploading", 0, None)


async def test_a_file_in_one_piece_is_ready_with_its_hash(house: House) -> None:
    file = await house.file()

    assert (file["state"], file["received"]) == ("ready", len(CSV))
    assert file["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert stored(house, file).read_bytes() == CSV


async def test_a_file_in_steps_is_ready_with_the_last_one(house: House) -> None:
    file = await announced(house)

    first = await patch(house, file, CSV[:10], 0)
    last = await patch(house, file, CSV[10:], 10)

    assert (first.body["state"], first.body["received"]) == ("uploading", 10)
    assert last.body["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert stored(house, file).read_bytes() == CSV


async def test_an_empty_file_is_ready_after_an_empty_body(house: House) -> None:
    file = await announced(house, 0)

    done = await house.call("PUT", f"/files/{file['id']}/content", data=b"", expect=200)

    assert (done.body["state"], done.body["sha256"]) == ("ready", hashlib.sha256(b"").hexdigest())


async def test_a_wrong_offset_is_told_where_to_go_on(house: House) -> None:
    file = await announced(house)
    await patch(house, file, CSV[:10], 0)

    wrong = await patch(house, file, CSV[12:], 12)

    assert wrong.problem() == (409, "upload_offset_wrong")
    assert (wrong.body["received"], wrong.headers["Upload-Offset"]) == (10, "10")


@pytest.mark.parametrize("offset", ["", "-1", "x", "1.5", "9" * 30])
async def test_an_offset_that_is_no_number_is_refused(house: House, offset: str) -> None:
    refused = await patch(house, await announced(house), b"x", offset)

    assert refused.problem() == (422, "upload_offset_invalid")
    assert refused.places == ["header.Upload-Offset"]


async def test_a_step_without_an_offset_is_refused(house: House) -> None:
    file = await announced(house)

    refused = await house.call("PATCH", f"/files/{file['id']}/content", data=b"x")

    assert refused.problem() == (422, "upload_offset_invalid")


async def test_more_bytes_than_announced_count_not_at_all(house: House) -> None:
    file = await announced(house, 5)

    refused = await patch(house, file, b"123456", 0)

    assert refused.problem() == (422, "upload_too_long")
    assert (await house.call("GET", f"/files/{file['id']}")).body["received"] == 0


async def test_fewer_bytes_in_one_piece_are_not_a_file(house: House) -> None:
    file = await announced(house, 5)

    refused = await house.call("PUT", f"/files/{file['id']}/content", data=b"1234")

    assert refused.problem() == (422, "upload_too_short")
    assert (await house.call("GET", f"/files/{file['id']}")).body["state"] == "uploading"


async def test_a_step_of_more_than_16_mib_is_too_large(house: House) -> None:
    file = await announced(house, CHUNK_BYTES + 1)

    refused = await patch(house, file, b"x" * (CHUNK_BYTES + 1), 0)

    assert refused.problem() == (413, "body_too_large")


async def test_a_file_in_one_piece_may_be_larger_than_a_step(house: House) -> None:
    file = await house.file(b"x" * (CHUNK_BYTES + 1))

    assert file["state"] == "ready"


async def test_a_ready_file_does_not_change(house: House) -> None:
    file = await house.file()

    again = await house.call("PUT", f"/files/{file['id']}/content", data=CSV)
    more = await patch(house, file, b"x", len(CSV))

    assert again.problem() == more.problem() == (409, "file_ready")
    assert stored(house, file).read_bytes() == CSV


async def test_bytes_that_were_left_behind_by_a_crash_are_overwritten(house: House) -> None:
    file = await announced(house)
    await patch(house, file, CSV[:10], 0)
    with stored(house, file).open("ab") as left:
        left.write(b"garbage of a request that never ended, longer than all that follows")

    done = await patch(house, file, CSV[10:], 10)

    assert done.body["sha256"] == hashlib.sha256(CSV).hexdigest()


async def test_a_connection_that_breaks_leaves_nothing_that_counts(house: House) -> None:
    file = await announced(house)

    async def half() -> Any:
        yield CSV[:10]
        raise ConnectionResetError

    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await house.call("PUT", f"/files/{file['id']}/content", data=half())

    found = (await house.call("GET", f"/files/{file['id']}")).body
    assert (found["state"], found["received"]) == ("uploading", 0)


async def test_of_two_requests_at_the_same_place_one_counts(house: House) -> None:
    file = await announced(house, 200_000)
    bodies = [bytes([letter]) * 100_000 for letter in b"abcdef"]

    answers = await asyncio.gather(*(patch(house, file, body, 0) for body in bodies))

    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409, 409, 409]
    won = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status == 200)
    assert stored(house, file).read_bytes()[:100_000] == won


async def test_two_requests_never_write_one_upload_together(house: House) -> None:
    file = await announced(house)
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> Any:
        yield CSV[:10]
        begun.set()
        await go.wait()
        yield CSV[10:]

    first = asyncio.create_task(house.call("PUT", f"/files/{file['id']}/content", data=slow()))
    await begun.wait()
    async with asyncio.timeout(10):
        while not stored(house, file).exists():  # noqa: ASYNC110 - another task of the service makes it
            await asyncio.sleep(0.01)
    second = await house.call("PUT", f"/files/{file['id']}/content", data=CSV)
    go.set()

    assert second.problem() == (409, "upload_busy")
    assert (await first).body["state"] == "ready"


async def test_a_deleted_file_is_gone_with_its_bytes(house: House) -> None:
    file = await house.file()

    await house.call("DELETE", f"/files/{file['id']}", expect=204)

    assert (await house.call("GET", f"/files/{file['id']}")).problem() == (404, "file_unknown")
    assert not stored(house, file).exists()


async def test_a_file_that_a_task_reads_is_not_deleted(house: House) -> None:
    task = await house.task()

    refused = await house.call("DELETE", f"/files/{task['file_id']}")

    assert refused.problem() == (409, "file_in_use")
    assert task["name"] in refused.body["detail"]


async def test_the_newest_file_comes_first_and_states_filter(house: House) -> None:
    ready, uploading = await house.file(), await announced(house)

    everything = (await house.call("GET", "/files")).body["items"]
    only = (await house.call("GET", "/files?state=uploading")).body["items"]

    assert [file["id"] for file in everything] == [uploading["id"], ready["id"]]
    assert [file["id"] for file in only] == [uploading["id"]]


@pytest.mark.parametrize("name", ["", "a/b", "..\\x", "a\nb", "x" * 256])
async def test_a_name_that_is_a_path_is_refused(house: House, name: str) -> None:
    refused = await house.call("POST", "/files", body={"name": name, "size": 1})

    assert refused.status == 422
    assert refused.places == ["body.name"]


async def test_limits_of_a_tenant_hold(tmp_path: Path, database_url: str) -> None:
    limits = {"file_max_bytes": 100, "file_total_bytes": 150, "file_max_unfinished": 2}
    async with houses.running(tmp_path, database_url, **limits) as house:
        large = await house.call("POST", "/files", body={"name": "a", "size": 101})
        await announced(house, 100)
        over = await house.call("POST", "/files", body={"name": "a", "size": 51})
        await announced(house, 50)
        third = await house.call("POST", "/files", body={"name": "a", "size": 0})

    assert large.problem() == (413, "file_too_large")
    assert over.problem() == (409, "file_quota_exceeded")
    assert third.problem() == (409, "too_many_uploads")


async def test_a_starting_service_sweeps_bytes_that_no_file_has(tmp_path: Path, database_url: str) -> None:
    async with houses.running(tmp_path, database_url) as house:
        kept = await house.file()
        left = stored(house, {"id": uuid7()})
    left.write_bytes(b"left by a crash")
    for path in (left, stored(house, kept)):
        os.utime(path, (0, 0))

    async with houses.running(tmp_path, database_url), asyncio.timeout(10):
        while left.exists():  # noqa: ASYNC110 - a background of the service removes it
            await asyncio.sleep(0.01)

    assert stored(house, kept).read_bytes() == CSV
