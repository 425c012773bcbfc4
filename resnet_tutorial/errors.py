"""The one exception that a reader is meant to see, and what others say in one line."""


class InputError(Exception):
    """Something that the user gave is wrong: a name, a file, a setting.

    The message is one line that says what was wrong and what to do. The command line prints it and exits with status 1.
    """


def first_line(error: BaseException) -> str:
    """The first line of an exception's message; the name of its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
