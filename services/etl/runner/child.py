"""The child process that runs the data path: `python -m services.etl.runner.child PARENT_PID`.

It binds its life to its parent's before it does anything else. A child that outlived its runner would keep
the target's locks (measured: more than seven seconds while a handler holds the interpreter).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when the parent ends (Linux, prctl(2)); elsewhere the end of the pipe does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def main() -> None:
    """Run jobs and previews that come by the pipe until it ends."""
    die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    reading, writing = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  before pathlib is worth loading
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what a library prints must not get into the pipe

    from services.etl.runner import work_loop

    work_loop.serve(reading, writing)


if __name__ == "__main__":
    main()
