from typing import Any

from shared.errors import Conflict, Invalid, NotFound, Transient


class FileUnknown(NotFound):
    """There is no file {file_id}."""


class FileTooLarge(Invalid):
    """A file has at most {limit} bytes."""


class FileQuotaExceeded(Conflict):
    """The files of this tenant may have {limit} bytes together; delete some first."""


class TooManyUploads(Conflict):
    """There are {limit} unfinished uploads already; finish or delete some first."""


class UploadOffsetInvalid(Invalid):
    """This operation needs an Upload-Offset header: the number of bytes that were received before."""


class UploadOffsetWrong(Conflict):
    """The upload goes on at byte {received}, not at {given}."""

    def problem_headers(self) -> dict[str, str]:
        """Where to go on, for clients that read headers."""
        return {"Upload-Offset": str(self.facts["received"])}

    def problem_members(self) -> dict[str, Any]:
        """Where to go on, for clients that read the body."""
        return {"received": self.facts["received"]}


class UploadTooLong(Invalid):
    """The file was announced with {size} bytes; this is more."""


class UploadTooShort(Invalid):
    """The file was announced with {size} bytes; only {received} came."""


class UploadBusy(Conflict):
    """Another request is writing this upload."""


class FileReady(Conflict):
    """The file is complete and doesn't change any more; upload a new one."""


class FileUnready(Conflict):
    """The file isn't complete yet."""


class FileInUse(Conflict):
    """The file is still used by the tasks {tasks}."""


class StoreFull(Transient):
    """The store of uploaded files can't take more bytes right now."""
