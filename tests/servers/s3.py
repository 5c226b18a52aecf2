"""A small S3 server in a thread: buckets in memory, signatures checked, troubles on demand.

It takes what the product sends and refuses what S3 would refuse: unsigned requests, parts that are too small,
writes whose condition doesn't hold. `trouble` makes it fail, cut answers off or wait; `quirks` are what it
can't do, as other stores: "conditions", "ranges", "prefixes".
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self
from urllib.parse import quote
from xml.sax.saxutils import escape

from aiohttp import web

from tests.servers import s3_signatures
from tests.servers.s3_objects import (
    Object,
    Refused,
    check_parts,
    made_of,
    read,
    refusal,
    tag_of,
    written,
    xml,
)

BUCKET = "goods"
ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "a+secret/key=of the tests"
REGION = "eu-test-1"


@dataclass
class Trouble:
    """What befalls the next `times` requests of a method whose key ends so, and whose URL has `asks` in it.

    `status` is answered instead; `cut` bytes of the content are sent and then the connection is lost;
    `lost` does what is asked and loses the answer; `held` waits until the event is set, and `then` is called
    once the request is done. `come` is set when it befalls.
    """

    method: str = "GET"
    key: str = ""
    asks: str = ""
    times: int = 1
    status: int = 0
    code: str = "InternalError"
    cut: int | None = None
    lost: bool = False
    held: threading.Event | None = None
    then: Callable[[], None] | None = None
    come: threading.Event = field(default_factory=threading.Event)


class S3Server:
    """A server on a port of the loopback interface. Use it as a context manager, in any kind of test."""

    def __init__(self, *, page: int = 1000) -> None:
        self.buckets: dict[str, dict[str, Object]] = {BUCKET: {}}
        self.public: set[str] = set()
        self.keys = {ACCESS_KEY: SECRET_KEY}
        self.uploads: dict[str, tuple[str, Object, dict[int, bytes]]] = {}
        self.requests: list[str] = []
        self.troubles: list[Trouble] = []
        self.sent = 0
        self.quirks: set[str] = set()
        self.page = page
        self._numbers = count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="s3", daemon=True)
        self._ready = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """The endpoint of a connection."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def objects(self) -> dict[str, Object]:
        """The objects of the bucket that is there."""
        return self.buckets[BUCKET]

    def put(self, key: str, content: bytes, bucket: str = BUCKET) -> None:
        """Put an object there, as somebody else does."""
        self.buckets.setdefault(bucket, {})[key] = Object(content, tag_of(content))

    def trouble(self, **how: Any) -> Trouble:
        """Make trouble; see Trouble."""
        self.troubles.append(made := Trouble(**how))
        return made

    def connection(self, **changes: Any) -> dict[str, Any]:
        """Connection info of the bucket."""
        given = {
            "type": "s3", "bucket": BUCKET, "region": REGION, "endpoint": self.url,
            "access_key": ACCESS_KEY, "secret_key": SECRET_KEY,
        }  # fmt: skip
        return given | changes

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        for trouble in self.troubles:
            if trouble.held is not None:
                trouble.held.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{bucket}/{key:.*}", self._asked)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        self._loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        bucket, key = request.match_info["bucket"], request.match_info["key"]
        self.requests.append(f"{request.method} {request.raw_path.split('/', 2)[2]}")
        body = await request.read()
        trouble = self._trouble_of(request, key)
        try:
            await _befall(trouble)
            if bucket not in self.public or "Authorization" in request.headers:
                s3_signatures.check(request, body, keys=self.keys, region=REGION)
            answer = self._answer(request, bucket, key, body)
        except s3_signatures.Unsigned as error:
            answer = refusal(request, 403, str(error))
        except Refused as error:
            answer = refusal(request, error.status, error.code)
        if trouble is not None and trouble.then is not None:
            trouble.then()
        if trouble is not None and (trouble.lost or trouble.cut is not None):
            return await _cut(request, answer, trouble.cut or 0)
        self.sent += len(answer.body) if isinstance(answer.body, bytes) else 0
        return answer

    def _trouble_of(self, request: web.Request, key: str) -> Trouble | None:
        for trouble in self.troubles:
            fits = trouble.method == request.method and trouble.asks in request.raw_path
            if trouble.times and fits and key.endswith(trouble.key):
                trouble.times -= 1
                trouble.come.set()
                return trouble
        return None

    def _answer(self, request: web.Request, bucket: str, key: str, body: bytes) -> web.Response:
        if bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        objects, asked = self.buckets[bucket], request.query
        if not key:
            return self._listed(objects, request)
        if "uploads" in asked or "uploadId" in asked:
            return self._large(request, objects, key, body)
        if request.method == "PUT":
            return written(request, objects, key, made_of(request, body, tag_of(body)))
        if request.method == "DELETE":
            objects.pop(key, None)
            return web.Response(status=204)
        return read(request, objects, key, quirks=self.quirks)

    def _listed(self, objects: dict[str, Object], request: web.Request) -> web.Response:
        asked = request.query
        most = min(int(asked.get("max-keys", "1000")), self.page)
        fit = sorted(
            (key for key in objects if "prefixes" in self.quirks or key.startswith(asked.get("prefix", ""))),
            key=lambda key: key.encode(),
        )
        start = int(asked.get("continuation-token", "0"))
        url = asked.get("encoding-type") == "url"
        items = "".join(
            f"<Contents><Key>{quote(key) if url else escape(key)}</Key>"
            f"<Size>{len(objects[key].content)}</Size><ETag>&quot;{objects[key].etag}&quot;</ETag></Contents>"
            for key in fit[start : start + most]
        )
        more = start + most < len(fit)
        told = "<EncodingType>url</EncodingType>" if url else ""
        told += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        told += f"<NextContinuationToken>{start + most}</NextContinuationToken>" if more else ""
        return xml(f"<ListBucketResult xmlns='http://s3.example/'>{told}{items}</ListBucketResult>")

    def _large(self, request: web.Request, objects: dict[str, Object], key: str, body: bytes) -> web.Response:
        if "uploads" in request.query:
            upload = f"upload-{next(self._numbers)}"
            self.uploads[upload] = (key, made_of(request, b"", ""), {})
            return xml(
                f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        upload = request.query["uploadId"]
        if self.uploads.get(upload, ("",))[0] != key:
            raise Refused(404, "NoSuchUpload")
        _, made, parts = self.uploads[upload]
        if request.method == "PUT":
            parts[int(request.query["partNumber"])] = body
            return web.Response(headers={"ETag": f'"{tag_of(body)}"'})
        if request.method == "POST":
            check_parts(parts, body)
            made.content = b"".join(parts[number] for number in sorted(parts))
            made.etag = f"{tag_of(made.content)}-{len(parts)}"
            written(request, objects, key, made)
        del self.uploads[upload]
        if request.method == "DELETE":
            return web.Response(status=204)
        return xml(
            f"<CompleteMultipartUploadResult><ETag>&quot;{made.etag}&quot;</ETag></CompleteMultipartUploadResult>"
        )


async def _befall(trouble: Trouble | None) -> None:
    if trouble is not None and trouble.held is not None:
        await asyncio.to_thread(trouble.held.wait, 60)
    if trouble is not None and trouble.status:
        raise Refused(trouble.status, trouble.code)


async def _cut(request: web.Request, answer: web.Response, size: int) -> web.StreamResponse:
    """The headers and so many bytes of an answer, then nothing more; without a size nothing at all."""
    content = answer.body if isinstance(answer.body, bytes) else b""
    if size:
        whole = web.StreamResponse(status=answer.status, headers=answer.headers)
        whole.content_length = len(content)
        await whole.prepare(request)
        await whole.write(content[:size])
    assert request.transport is not None
    request.transport.close()
    return answer
