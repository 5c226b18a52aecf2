"""Files are given out as they are: whole or in parts, under a name that does no harm."""

import hashlib
from typing import Any

import pytest

from services.etl.files.names import attachment
from shared.identifiers import TenantId, uuid7
from tests.api.etl_config.house import CSV, House


async def got(house: House, file: Any, **headers: str) -> tuple[int, bytes, Any]:
    url = f"{house.url}/files/{file['id']}/content"
    async with house.session.get(url, headers={**house.headers(), **headers}) as response:
        return response.status, await response.read(), response.headers


async def test_a_file_is_downloaded_as_it_was_uploaded(house: House) -> None:
    file = await house.file()

    status, content, headers = await got(house, file)

    assert (status, content, hashlib.sha256(content).hexdigest()) == (200, CSV, file["sha256"])
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith('attachment; filename="flights.csv"')


@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=0-6", CSV[:7], f"bytes 0-6/{len(CSV)}"),
        ("bytes=7-", CSV[7:], f"bytes 7-{len(CSV) - 1}/{len(CSV)}"),
        ("bytes=-3", CSV[-3:], f"bytes {len(CSV) - 3}-{len(CSV) - 1}/{len(CSV)}"),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(house: House, wanted: str, part: bytes, told: str) -> None:
    status, content, headers = await got(house, await house.file(), Range=wanted)

    assert (status, content, headers["Content-Range"]) == (206, part, told)


async def test_a_part_that_is_not_there_is_refused(house: House) -> None:
    status, _, headers = await got(house, await house.file(), Range="bytes=4000-")

    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(CSV)}")


@pytest.mark.parametrize(
    "wanted",
    ["bytes=5-2", "bytes=0-0,2-3", "items=0-5", "bytes=abc", "bytes=", "bytes=--1", "0-1", "bytes=0x1-2"],
)
async def test_a_range_that_means_nothing_is_passed_over(house: House, wanted: str) -> None:
    status, content, headers = await got(house, await house.file(), Range=wanted)

    assert (status, content, "Content-Range" in headers) == (200, CSV, False)


@pytest.mark.parametrize("wanted", ["bytes=-0", "bytes=999999999999999999999-"])
async def test_no_bytes_are_no_part(house: House, wanted: str) -> None:
    status, content, headers = await got(house, await house.file(), Range=wanted)

    assert (status, headers["Content-Type"]) == (416, "application/problem+json; charset=utf-8")
    assert b"range_missing" in content


async def test_an_interrupted_download_goes_on_with_the_same_file_alone(house: House) -> None:
    file = await house.file()
    _, _, headers = await got(house, file)
    tag = headers["ETag"]

    same = await got(house, file, **{"Range": "bytes=3-", "If-Range": tag})
    for other in ('"another"', f"W/{tag}", "Mon, 01 Jan 2029 00:00:00 GMT", "Mon, 01 Jan 9" + "9" * 30):
        status, content, _ = await got(house, file, **{"Range": "bytes=3-", "If-Range": other})
        assert (status, content) == (200, CSV), other

    assert same[:2] == (206, CSV[3:])


@pytest.mark.parametrize(
    ("header", "value", "wanted"),
    [
        ("If-Match", "*", 200),
        ("If-Match", '"x", {tag}', 200),
        ("If-Match", '"x"', 412),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"x", W/{tag}', 304),
        ("If-None-Match", '"x"', 200),
        ("If-Modified-Since", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 200),
        ("If-Unmodified-Since", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 200),
    ],
)
async def test_a_condition_is_about_the_content(house: House, header: str, value: str, wanted: int) -> None:
    file = await house.file()
    status, _, _ = await got(house, file, **{header: value.replace("{tag}", f'"{file["sha256"]}"')})

    assert status == wanted


async def test_a_file_without_bytes_is_downloaded(house: House) -> None:
    file = await house.file(content=b"")

    assert (await got(house, file))[:2] == (200, b"")


async def test_who_has_the_file_need_not_get_it_again(house: House) -> None:
    file = await house.file()
    _, _, headers = await got(house, file)

    status, content, _ = await got(house, file, **{"If-None-Match": headers["ETag"]})

    assert (status, content) == (304, b"")


async def test_nobody_else_gets_a_file_nor_anybody_an_unfinished_one(
    house: House, stranger: TenantId
) -> None:
    file = await house.file()
    begun = (await house.call("POST", "/files", body={"name": "x.csv", "size": 9}, expect=201)).body

    alien = await house.call("GET", f"/files/{file['id']}/content", tenant=stranger)
    unready = await house.call("GET", f"/files/{begun['id']}/content")
    unknown = await house.call("GET", f"/files/{uuid7()}/content")

    assert (alien.status, unknown.status) == (404, 404)
    assert unready.problem() == (409, "file_unready")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("orders.csv", "attachment; filename=\"orders.csv\"; filename*=UTF-8''orders.csv"),
        (
            'a"; filename="b.exe',
            "attachment; filename=\"a__ filename=_b.exe\"; filename*=UTF-8''a%22%3B%20filename%3D%22b.exe",
        ),
        (
            "Für 订单.csv",
            "attachment; filename=\"F_r __.csv\"; filename*=UTF-8''F%C3%BCr%20%E8%AE%A2%E5%8D%95.csv",
        ),
        ("..", "attachment; filename=\"file\"; filename*=UTF-8''.."),
    ],
)
def test_a_name_can_not_break_out_of_its_header(name: str, header: str) -> None:
    assert attachment(name) == header
