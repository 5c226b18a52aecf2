"""The life of an upload."""

from enum import StrEnum


class FileState(StrEnum):
    """An upload is `uploading` until its last byte is there and hashed; a `ready` file never changes."""

    UPLOADING = "uploading"
    READY = "ready"
