"""Why a step that sees the whole table can't go on. Plain Python: the API knows these errors, too."""

from shared.errors import Terminal


class ScratchFull(Terminal):
    """Step {step!r} needs more than the {limit} MiB of scratch space that it may fill: free some, or give it fewer rows."""  # noqa: E501  a sentence is one line


class MemoryFull(Terminal):
    """Step {step!r} needs more than its {limit} MiB of memory for what can't be put aside: probably one value grows too large."""  # noqa: E501  a sentence is one line


class ResultTooLarge(Terminal):
    """Step {step!r} gives a value that its column's type can't hold."""
