"""The end of a child process with its parent, even if the parent is killed and can't send a signal.

The parent holds the other end of the child's standard input. When the parent is gone the pipe ends, and the child handles that like
SIGTERM.
"""

import os
import signal
import sys
import threading
from typing import Final

PARENT_PIPE: Final = "SIDEDATA_PARENT_PIPE"


def end_with_parent() -> None:
    """Watch the parent's pipe, if this process has one; called once, before anything else runs."""
    if os.environ.pop(PARENT_PIPE, ""):
        # A thread, because no loop runs yet; as a daemon it does not keep the process from exiting.
        threading.Thread(target=_wait, name="parent", daemon=True).start()


def _wait() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
