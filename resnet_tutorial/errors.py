"""The one exception that a reader is meant to see."""


class InputError(Exception):
    """Something that the user gave is wrong: a name, a file, a setting.

    The message is one line that says what was wrong and what to do. The command line prints it and exits with status 1.
    """
