"""What a user did wrong, told apart from what this program did wrong."""

from typing import Any


class InputError(ValueError):
    """Bad input: the message quotes the value and says what to do instead.

    It is raised at the edges and ends a command with one sentence and exit code 2. Any other error
    is a bug: it keeps its traceback, ends with exit code 1, and no unfinished work is deleted for
    it.
    """

    def __init__(
        self, message: str = "", *, failure: str = "", fix: dict[str, Any] | None = None
    ) -> None:
        """Say what is wrong.

        Args:
            failure: A name of `core.jobs.failures.FAILURES`, where it is one of those.
            fix: Setting -> value that mends it, where the raiser knows better than the table.
        """
        super().__init__(message)
        self.failure, self.fix = failure, dict(fix or {})


def one_line(error: BaseException) -> str:
    """Return what a library says, without line breaks: it stands inside a sentence of ours."""
    return " ".join(str(error).split())


class Unequal(Exception):
    """A comparison has found differences; the message says them."""
