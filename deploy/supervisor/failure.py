"""How a command ends when it can't do its work."""

OK = 0
FAILED = 1
NOT_RUNNING = 3
"""As the LSB has it for `status` of a program that is not running."""


class CommandFailed(Exception):
    """A sentence for the person at the terminal, and the exit code."""

    def __init__(self, sentence: str, *, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code
