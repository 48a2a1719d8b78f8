"""Places at which a process can be made to die, so that tests can show that it may die there.

`SIDEDATA_FAILPOINT=<name>:<n>` ends the process with SIGKILL when it gets to the place called `<name>` for the nth time: no
handler runs, nothing is flushed, just as when a machine fails. `<name>:<n>:stop` freezes it there with SIGSTOP instead, until
it gets a SIGCONT. Unset, as it always is in production, nothing is armed and a place costs a call that returns at once:

    failpoints.pass_by("after_read")

The places, in the order in which a worker passes them; some lie in a partition's task, some in the task that keeps the leases:

    after_heartbeat   the others know of us; no lease was renewed or taken yet
    before_acquire    a free partition was seen
    after_acquire     the partition is ours, with a new fence, and nobody works on it
    after_read        entries were read
    after_recall      what the batch must know was read
    after_plan        the batch is planned
    before_commit     the next thing would be to send the commit
    inside_commit     the commit is on its way: Redis may have it or not, and nobody will hear its answer
    after_commit      Redis has applied the batch and said so; what we know of it is older
    before_release    a partition was asked for back, nothing is in hand, the lease is still ours
    after_release     the partition is anybody's
    before_leave      all partitions are given up; the others still count on us

A rebuild passes those from after_read to after_commit while it builds, and then:

    before_swap       the shadow is complete and the steps are written; nothing is changed yet
    after_swap_begin  whoever owns the partition next has to finish the swap
    after_swap_step   a step of it is done
    after_swap        all are done; the partition is still ours

The adoption of newer rules of a zone passes the last four too where days are cut again, and else:

    before_rules      it is decided that the table is stored; nothing is changed yet
    after_rules       the table is stored
"""

import os
import signal
from collections.abc import Callable, Mapping
from typing import Final

from sidedata.errors import UsageError

VARIABLE: Final = "SIDEDATA_FAILPOINT"
PLACES: Final = (
    "after_heartbeat",
    "before_acquire",
    "after_acquire",
    "after_read",
    "after_recall",
    "after_plan",
    "before_commit",
    "inside_commit",
    "after_commit",
    "before_release",
    "after_release",
    "before_leave",
)
REBUILD_PLACES: Final = ("before_swap", "after_swap_begin", "after_swap_step", "after_swap")
ADOPTION_PLACES: Final = ("before_rules", "after_rules")

Hook = Callable[[str], None]


def arm(setting: str) -> Hook:
    """What dies, or freezes, at the nth passage of a place, given as `<name>:<n>` or `<name>:<n>:stop`.

    Raises:
        UsageError: there is no such place, or the number is none.
    """
    name, _, rest = setting.partition(":")
    count, _, how = rest.partition(":")
    if (
        name not in PLACES + REBUILD_PLACES + ADOPTION_PLACES
        or not (count.isascii() and count.isdigit())
        or int(count) < 1
        or how not in ("", "stop")
    ):
        raise UsageError(f"{VARIABLE} is {setting!r}; give a place and a number, such as after_read:3")
    number = signal.SIGSTOP if how else signal.SIGKILL
    left = int(count)

    def passed(place: str) -> None:
        nonlocal left
        if place == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return passed


def from_environment(environ: Mapping[str, str]) -> Hook | None:
    """The hook that the environment asks for, or None."""
    setting = environ.get(VARIABLE)
    return arm(setting) if setting else None


armed: Hook | None = from_environment(os.environ)


def pass_by(place: str) -> None:
    """Come to a place; the process may not come any further."""
    if armed is not None:
        armed(place)
