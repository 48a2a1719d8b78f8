"""A child process that ends with its parent, even if that is killed and can't tell it.

The parent holds the other end of our standard input. When it is gone the pipe ends, and we stop as if asked to.
"""

import os
import signal
import sys
import threading
from typing import Final

PARENT_PIPE: Final = "SIDEDATA_PARENT_PIPE"


def end_with_parent() -> None:
    """Watch the parent's pipe, if we were started with one; called once, before anything else runs."""
    if os.environ.pop(PARENT_PIPE, ""):
        # A thread, because no loop runs yet; as a daemon it keeps nobody from leaving.
        threading.Thread(target=_wait, name="parent", daemon=True).start()


def _wait() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
