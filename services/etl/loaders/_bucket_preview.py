"""Look at an object of a bucket: the first one whose key fits, fetched as far as a preview looks."""

from dataclasses import replace

from services.etl.loaders._base import Source
from services.etl.loaders._bucket_files import BucketPlace
from services.etl.loaders._files import FileLoader
from services.etl.loaders._files_errors import FilesMissing
from services.etl.previews.definition import PreviewRefused, PreviewResult, PreviewSpec


def preview(loader: type[FileLoader], spec: PreviewSpec, source: Source) -> PreviewResult:
    """As the loader's own preview of a file. Raises also what fetching raises."""
    pattern = spec.params.get("pattern")
    if not isinstance(pattern, str):
        raise PreviewRefused(reason="it names no object", loc=("params", "pattern"))
    place = BucketPlace(source, pattern, streamed=loader.streamed)
    try:
        files = place.found()
        if not files:
            raise FilesMissing(pattern=pattern)
        with place.there(files[0]) as here:
            result = loader.preview(spec, replace(source, files=(here,), connection=None))
    finally:
        place.close()
    cut = here.size < files[0].size
    return result.model_copy(update={"size": files[0].size, "complete": result.complete and not cut})
