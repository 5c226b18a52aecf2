from shared.errors import Conflict, Invalid, NotFound


class TaskUnknown(NotFound):
    """There is no task {task_id}."""


class TaskRevisionUnknown(NotFound):
    """Task {task_id} has no revision {revision}."""


class TaskNameTaken(Conflict):
    """There is another task named {name}."""


class TaskRunning(Conflict):
    """A run of this task isn't over yet; wait for it or cancel it first."""


class TableNotFound(Invalid):
    """There is no data table {table_id}."""


class FileNotFound(Invalid):
    """There is no file {file_id} that is ready."""


class TableUnpublished(Conflict):
    """The data table {table} has to be published before a run can fill it."""


class TableIsGhost(Conflict):
    """The physical table of {table} is gone or isn't as it was published; see its plan."""


class SourceGone(Conflict):
    """The file of this task isn't there any more."""


class SourceFixed(Invalid):
    """This task doesn't read a single uploaded file, so a run of it can't read another one."""


class SourceUnsuitable(Invalid):
    """This loader reads from resources of type {known}; the resource is of type {found}."""


class FilesNotFound(Invalid):
    """No ready file has a name like {pattern!r}."""


class NoFileFits(Conflict):
    """No ready file has a name like {pattern!r}."""


class TargetUnsuitable(Invalid):
    """Files are written to resources of type s3; the resource is of type {found}."""


class FileNameTaken(Conflict):
    """There is a file named {name!r} already, and the task is to write a new one."""


class TargetGone(Conflict):
    """The data table of this task isn't there any more."""
