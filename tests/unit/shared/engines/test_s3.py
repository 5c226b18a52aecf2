"""The bucket client against a server that checks each signature: what it reads, writes, and survives."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.engines.errors import ConnectFailed, ConnectFailedForNow, ConnectRefused
from shared.engines.s3 import ObjectChanged
from shared.http.outbound import Outbound
from shared.security.guard import OutboundPolicy
from tests.servers import web_api
from tests.servers.s3 import SECRET_KEY, S3Server
from tests.unit.shared.engines.buckets import RUN, bucket_of, file_of, listed

ODD_KEYS = [
    "a b+c&d=e.csv",
    "\u00e9/\u00fc=1/~x.csv",
    "quote'\"<>.csv",
    "100%25.csv",
    "tab\tand\x07bell",
    "a//b",
]


async def test_a_list_of_many_pages_is_one_list(server: S3Server, outbound: Outbound) -> None:
    for at in range(10):
        server.put(f"in/{at}.csv", b"x" * at)
    server.put("out/1.csv", b"")
    found = await listed(bucket_of(server, outbound), "in/")
    assert [(each.key, each.size) for each in found] == [(f"in/{at}.csv", at) for at in range(10)]
    assert len(server.requests) == 4


async def test_a_list_is_no_longer_than_what_was_asked_for(server: S3Server, outbound: Outbound) -> None:
    async def long(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"<ListBucketResult>" + b"<Name/>" * 20_000 + b"</ListBucketResult>")

    with web_api.serving() as api:
        api.answer = long
        bucket = bucket_of(server, outbound, endpoint=api.url)
        assert not [each async for each in bucket.listed(most=1000)]
        with pytest.raises(ConnectRefused, match="no answer of S3"):
            assert not [each async for each in bucket.listed(most=1)]


async def test_keys_are_those_below_the_prefix_of_the_connection(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    server.put("mine/a.csv", b"a")
    server.put("other/b.csv", b"b")
    bucket = bucket_of(server, outbound, prefix="mine/")
    assert [each.key for each in await listed(bucket)] == ["a.csv"]
    await bucket.upload(file_of(tmp_path, b"c"), "c.csv")
    assert server.objects["mine/c.csv"].content == b"c"
    assert await bucket.head("b.csv") is None


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_odd_keys_come_back_as_they_were(
    key: str, server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    bucket = bucket_of(server, outbound)
    await bucket.upload(file_of(tmp_path, b"content"), key)
    (found,) = await listed(bucket)
    assert found.key == key
    head = await bucket.head(key)
    assert head is not None
    assert (head.size, head.etag) == (7, found.etag)
    assert await bucket.download(found, tmp_path / "got") == 7


@pytest.mark.parametrize("key", ["../else/x", "a/../../else", "./x", "k" * 1025])
async def test_keys_that_could_lead_elsewhere_are_never_asked_for(
    key: str, server: S3Server, outbound: Outbound
) -> None:
    with pytest.raises(ConnectRefused, match="has a part"):
        await bucket_of(server, outbound).head(key)
    assert server.requests == []


@pytest.mark.parametrize(
    ("changes", "step", "reason"),
    [
        ({"secret_key": "wrong"}, "authenticate", "doesn't belong to the access key"),
        ({"access_key": "wrong"}, "authenticate", "doesn't know the access key"),
        ({"access_key": ""}, "authenticate", "may not do this"),
        ({"region": "elsewhere"}, "database", "another region"),
        ({"bucket": "missing"}, "database", "no such bucket"),
    ],
)
async def test_what_is_wrong_with_a_connection_is_named_without_its_secrets(
    changes: dict[str, Any], step: str, reason: str, server: S3Server, outbound: Outbound
) -> None:
    with pytest.raises(ConnectRefused, match=reason) as refused:
        await listed(bucket_of(server, outbound, **changes))
    assert refused.value.step == step
    assert not {SECRET_KEY, "secret details"} & set(str(refused.value).split("'"))
    assert len(server.requests) == 1


async def test_a_public_bucket_is_read_without_keys(server: S3Server, outbound: Outbound) -> None:
    server.public.add("goods")
    server.put("a", b"a")
    assert len(await listed(bucket_of(server, outbound, access_key=""))) == 1


async def test_a_store_in_trouble_is_asked_again(server: S3Server, outbound: Outbound) -> None:
    server.put("a", b"a")
    server.trouble(times=2, status=503, code="SlowDown")
    assert len(await listed(bucket_of(server, outbound))) == 1
    server.trouble(times=3, status=500)
    with pytest.raises(ConnectFailedForNow, match="status 500"):
        await listed(bucket_of(server, outbound))


async def test_what_is_told_with_an_object_is_there_in_its_head(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    bucket = bucket_of(server, outbound)
    assert await bucket.head("a.csv") is None
    tag = await bucket.upload(file_of(tmp_path, b"a,b\n"), "a.csv", metadata=RUN, content_type="text/csv")
    head = await bucket.head("a.csv")
    assert head is not None
    assert (head.size, head.etag, dict(head.metadata)) == (4, tag, RUN)
    assert server.objects["a.csv"].content_type == "text/csv"


async def test_a_download_goes_on_where_it_broke(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 8192
    server.put("a", content)
    server.trouble(key="a", cut=1_000_000)
    server.trouble(key="a", cut=500_000)
    bucket = bucket_of(server, outbound, tries=2)
    (found,) = await listed(bucket)
    assert await bucket.download(found, tmp_path / "got") == len(content)
    assert (tmp_path / "got").read_bytes() == content
    assert server.requests.count("GET a") == 3


@pytest.mark.parametrize("quirks", [set(), {"conditions"}])
async def test_an_object_that_changes_while_it_is_read_is_no_mixture(
    quirks: set[str], server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    server.quirks = quirks
    server.put("a", b"1" * 2_000_000)
    bucket = bucket_of(server, outbound)
    (found,) = await listed(bucket)
    server.trouble(key="a", cut=1_000_000, then=lambda: server.put("a", b"2" * 2_000_000))
    with pytest.raises(ObjectChanged):
        await bucket.download(found, tmp_path / "got")


async def test_an_object_that_is_another_one_is_not_even_fetched(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    server.put("a", b"1" * 1000)
    bucket = bucket_of(server, outbound)
    (found,) = await listed(bucket)
    server.put("a", b"2" * 1000)
    before = server.sent
    with pytest.raises(ObjectChanged):
        await bucket.download(found, tmp_path / "got")
    assert server.sent - before < 1000


async def test_a_store_that_gives_no_parts_is_told_apart(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    server.put("a", b"1" * 2_000_000)
    server.quirks = {"ranges"}
    server.trouble(key="a", cut=1_000_000)
    bucket = bucket_of(server, outbound)
    (found,) = await listed(bucket)
    with pytest.raises(ConnectRefused, match="no parts"):
        await bucket.download(found, tmp_path / "got")


async def test_what_a_store_lists_beyond_the_prefix_is_left_out(server: S3Server, outbound: Outbound) -> None:
    server.put("mine/a", b"")
    server.put("yours/secret", b"")
    server.quirks = {"prefixes"}
    found = await listed(bucket_of(server, outbound, prefix="mine/"))
    assert [each.key for each in found] == ["a"]


async def test_the_beginning_alone_can_be_had(server: S3Server, outbound: Outbound, tmp_path: Path) -> None:
    server.put("a", b"0123456789")
    bucket = bucket_of(server, outbound)
    (found,) = await listed(bucket)
    assert await bucket.download(found, tmp_path / "got", most=4) == 4
    assert (tmp_path / "got").read_bytes() == b"0123"


async def test_an_object_that_says_how_it_is_packed_comes_as_it_lies_there(
    server: S3Server, outbound: Outbound, tmp_path: Path
) -> None:
    content = gzip.compress(b"id,name\n" * 100)
    server.put("a.csv", content)
    server.objects["a.csv"].encoding = "gzip"
    bucket = bucket_of(server, outbound)
    (found,) = await listed(bucket)
    assert await bucket.download(found, tmp_path / "got") == len(content)
    assert (tmp_path / "got").read_bytes() == content


async def test_an_empty_object_is_an_empty_file(server: S3Server, outbound: Outbound, tmp_path: Path) -> None:
    bucket = bucket_of(server, outbound)
    await bucket.upload(file_of(tmp_path, b""), "a")
    (found,) = await listed(bucket)
    assert await bucket.download(found, tmp_path / "got") == 0
    assert (tmp_path / "got").read_bytes() == b""


async def test_an_address_that_the_policy_forbids_is_not_asked(server: S3Server) -> None:
    async with Outbound(OutboundPolicy(), seconds=5) as session:
        with pytest.raises(ConnectFailed) as refused:
            await listed(bucket_of(server, session))
    assert (refused.value.step, server.requests) == ("resolve", [])


async def test_what_is_no_answer_of_s3_is_refused_as_such(server: S3Server, outbound: Outbound) -> None:
    bucket = bucket_of(server, outbound, endpoint=f"{server.url}/goods", bucket="bomb")
    server.public.add("goods")
    server.put("bomb/", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")
    with pytest.raises(ConnectRefused, match="no answer of S3"):
        await listed(bucket)
