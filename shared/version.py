"""The version of the whole distribution."""

from typing import Final

VERSION: Final = "0.1.0"
