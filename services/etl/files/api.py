import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from shared.errors import PenstockError
from shared.http import errors as http_errors
from shared.http import files
from shared.http.operation import RawBody, operation
from shared.http.paging import Page
from shared.http.request import Request
from shared.http.responses import BINARY, Created
from shared.identifiers import FileId

from . import errors
from .names import attachment
from .schemas import FileInput, FileQuery, FileView
from .service import CHUNK_BYTES, FileService

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {
    errors.FileTooLarge: 413,
    errors.StoreFull: 503,
    http_errors.FileOther: 412,
    http_errors.RangeMissing: 416,
}
_OFFSET = re.compile(r"\d{1,15}\Z", re.ASCII)
_ONE_PIECE_BYTES: Final = 1024**4


@operation(
    "POST",
    "/files",
    scopes=["file:write"],
    body=FileInput,
    returns=FileView,
    errors=[errors.FileTooLarge, errors.FileQuotaExceeded, errors.TooManyUploads],
)
async def create_file(request: Request, body: FileInput) -> Created[FileView]:
    """Announce a file with its name and size.

    Its bytes follow to `content`, either in one PUT or in steps by PATCH.
    """
    row = await request.service(FileService).create(request.tenant, body)
    return Created(FileView.model_validate(row), location=f"/files/{row.id}")


@operation("GET", "/files", scopes=["file:read"], query=FileQuery, returns=Page[FileView])
async def list_files(request: Request, query: FileQuery) -> Page[FileView]:
    """List files, the newest first."""
    page = await request.service(FileService).listed(request.tenant, query)
    return Page(items=[FileView.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@operation("GET", "/files/{file_id}", scopes=["file:read"], returns=FileView, errors=[errors.FileUnknown])
async def get_file(request: Request, file_id: FileId) -> FileView:
    """Show a file. `received` says where an interrupted upload goes on."""
    return FileView.model_validate(await request.service(FileService).get(request.tenant, file_id))


@operation(
    "PATCH",
    "/files/{file_id}/content",
    scopes=["file:write"],
    body=RawBody,
    body_limit=CHUNK_BYTES,
    returns=FileView,
    errors=[
        errors.FileUnknown,
        errors.FileReady,
        errors.UploadOffsetInvalid,
        errors.UploadOffsetWrong,
        errors.UploadTooLong,
        errors.UploadBusy,
        errors.StoreFull,
    ],
)
async def append_file_content(request: Request, file_id: FileId) -> FileView:
    """Upload the next bytes of a file, at most 16 MiB.

    The header `Upload-Offset` says how many bytes came before; after an interruption
    `GET /files/{file_id}` tells. The bytes of a request count together or not at all. The last ones make
    the file ready.
    """
    row = await request.service(FileService).append(
        request.tenant, file_id, offset=_offset(request), chunks=request.stream(CHUNK_BYTES)
    )
    return FileView.model_validate(row)


@operation(
    "PUT",
    "/files/{file_id}/content",
    scopes=["file:write"],
    body=RawBody,
    body_limit=_ONE_PIECE_BYTES,
    returns=FileView,
    errors=[
        errors.FileUnknown,
        errors.FileReady,
        errors.UploadTooLong,
        errors.UploadTooShort,
        errors.UploadBusy,
        errors.StoreFull,
    ],
)
async def upload_file_content(request: Request, file_id: FileId) -> FileView:
    """Upload all bytes of a file in one piece, whatever its size."""
    row = await request.service(FileService).replace(
        request.tenant, file_id, chunks=request.stream(_ONE_PIECE_BYTES)
    )
    return FileView.model_validate(row)


@operation(
    "GET",
    "/files/{file_id}/content",
    scopes=["file:read"],
    returns=BINARY,
    errors=[errors.FileUnknown, errors.FileUnready, http_errors.FileOther, http_errors.RangeMissing],
)
async def download_file_content(request: Request, file_id: FileId) -> web.StreamResponse:
    """Download a file that is ready.

    A `Range` header asks for a part of it (RFC 9110, section 14), as for going on after an interruption;
    `If-Range`, `If-Match` and `If-None-Match` take the ETag. A part is answered with 206, one that isn't
    there with 416, and several ranges with the whole file.
    """
    stored = await request.service(FileService).content(request.tenant, file_id)
    headers = {
        "Content-Type": BINARY.type,
        "Content-Disposition": attachment(stored.name),
        "Cache-Control": "private, no-cache",
    }
    try:
        return await files.send(
            request.raw, stored.path, size=stored.size, sha256=stored.sha256, headers=headers
        )
    except FileNotFoundError:
        raise errors.FileUnknown(file_id=file_id) from None


@operation("DELETE", "/files/{file_id}", scopes=["file:write"], errors=[errors.FileUnknown, errors.FileInUse])
async def delete_file(request: Request, file_id: FileId) -> None:
    """Delete a file that no task reads, or give up an upload."""
    await request.service(FileService).delete(request.tenant, file_id)


def _offset(request: Request) -> int:
    given = request.headers.getall("Upload-Offset", [])
    if len(given) != 1 or not _OFFSET.match(given[0].strip()):
        raise errors.UploadOffsetInvalid(loc=("header", "Upload-Offset"))
    return int(given[0])
