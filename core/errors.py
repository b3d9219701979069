"""What a user did wrong, told apart from what this program did wrong."""


class InputError(ValueError):
    """Bad input: the message quotes the value and says what to do instead.

    It is raised at the edges and ends a command with one sentence and exit code 2. Any other error
    is a bug: it keeps its traceback, ends with exit code 1, and no unfinished work is deleted for
    it.
    """


class Unequal(Exception):
    """A comparison has found differences; the message says them."""
