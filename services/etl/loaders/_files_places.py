"""Where files lie: on this machine already, or somewhere that they are fetched from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files import FileLoader
from services.etl.loaders._files_errors import BeginningTooShort
from services.etl.pipeline.errors import SourceInvalid


class Place(ABC):
    """Files in their order, each of which can be had for a while."""

    @abstractmethod
    def found(self) -> Sequence[SourceFile]:
        """The files, which may take long: not in an event loop."""

    @abstractmethod
    def there(self, file: SourceFile) -> AbstractContextManager[SourceFile]:
        """A file while it is needed; a smaller one where only the beginning of it is wanted."""

    @abstractmethod
    def close(self) -> None:
        """End what runs. May be called again, and from another thread."""


class LocalPlace(Place):
    """Files that are here."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._files = files

    def found(self) -> Sequence[SourceFile]:
        """The files."""
        return self._files

    def there(self, file: SourceFile) -> AbstractContextManager[SourceFile]:
        """The file."""
        return nullcontext(file)

    def close(self) -> None:
        """Nothing runs."""


def place_of(loader: FileLoader, source: Source) -> Place:
    """Where the files of a source lie."""
    pattern = loader.params.pattern
    if loader.params.resource_id is None or pattern is None:
        return LocalPlace(source.files)
    from services.etl.loaders._bucket_files import BucketPlace

    return BucketPlace(source, pattern, streamed=loader.streamed)


@contextmanager
def whole(file: SourceFile, here: SourceFile) -> Iterator[None]:
    """Raises BeginningTooShort where only the beginning of a file is here and its end was come to."""
    short = BeginningTooShort(key=file.name, limit=here.size >> 20)
    try:
        yield
    except SourceInvalid:
        if here.size < file.size:
            raise short from None
        raise
    if here.size < file.size:
        raise short
