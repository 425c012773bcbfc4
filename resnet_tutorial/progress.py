"""When a progress bar is shown."""

import builtins
import os


def no_bar() -> bool | None:
    """What tqdm's ``disable`` should be: a bar belongs on terminals and in notebooks, not in a file or on a page.

    Returns:
        True where pages of the book are built, False in a notebook, and otherwise None: tqdm looks for a terminal.
    """
    if os.environ.get("RESNET_TUTORIAL_STATIC"):
        return True
    return False if hasattr(builtins, "get_ipython") else None  # a notebook's output is no terminal
