"""The book's runs as one campaign: which are wanted, which are done, what fits into the time at hand.

Run it from the repository root; `benchmarks/README.md` says how, also on a machine without a network:

    python -m benchmarks.campaign --data FOLDER --list
    python -m benchmarks.campaign --data FOLDER --minutes 60
"""

import time

from .bare import stand_in

STARTED = time.monotonic()  # what is imported next can take half a minute on a machine that has just been started
stand_in()  # before anything of the package is imported, here and in the workers
