"""What can go wrong with a job, apart from what a destination's server says."""

from shared.errors import Invalid, Terminal, Transient


class StepUnknown(Invalid):
    """There is no {kind} step {name!r}; there are {known}."""


class StepMisplaced(Invalid):
    """The step {name!r} is a {kind}: {rule}."""


class TypeMismatch(Invalid):
    """Column {column!r} is {given} but {wanted} is needed; {hint}."""


class TooManyRejects(Terminal):
    """{rejected} of {read} rows were rejected, more than {limit}. The first one: {first}"""  # noqa: D400  a reason ends it


class CountsDiffer(Terminal):
    """The rows of step {step!r} don't add up: {rows_in} in, {accounted} accounted for."""


class SourceChanged(Terminal):
    """The source isn't what the job was made for: {reason}."""


class SourceInvalid(Terminal):
    """The source can't be read: {reason}."""


class SourceBusy(Transient):
    """The source could not be read now: {reason}."""


class LookupInvalid(Terminal):
    """The further source {name!r} of step {step!r} can't be used: {reason}."""


class FileEmpty(SourceInvalid):
    """The file is empty: there is not even a header."""


class HeaderInvalid(SourceInvalid):
    """The header can't be used: {reason}."""


class HeaderDuplicate(HeaderInvalid):
    """The header has the name {name!r} more than once, in fields {positions}."""


class HeaderChanged(HeaderInvalid):
    """The header isn't the declared one: {reason}."""


class EncodingInvalid(SourceInvalid):
    """The file isn't {encoding}: byte {offset} doesn't fit."""


class UnterminatedQuote(SourceInvalid):
    """A quote is still open at the end of the file, in the record that starts at line {line}."""


class RecordTooLong(SourceInvalid):
    """The record that starts at line {line} is longer than {limit} bytes: probably its quote isn't closed."""


class HandlerBroken(Terminal):
    """Step {step!r} broke its contract: {reason}."""


class HandlerFailed(Terminal):
    """Step {step!r} failed with {kind}."""


class JobCancelled(Terminal):
    """The job was cancelled."""


class JobTimedOut(Terminal):
    """The job took longer than {seconds} seconds."""


class FenceOutdated(Terminal):
    """A newer run of this target has begun: this attempt may not commit any more."""


class TargetUnfit(Terminal):
    """The table can't take the rows: {reason}."""


class TargetRefused(Terminal):
    """The target refused the rows: {reason}."""


class TargetBusy(Transient):
    """The target could not do it now: {reason}."""
