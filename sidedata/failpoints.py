"""Failpoints: points where tests make a process die or freeze, to show that nothing is lost there.

`SIDEDATA_FAILPOINT=<name>:<n>` ends the process with SIGKILL at the nth passage of the point `<name>`: no handler runs and
nothing is flushed, as in a machine failure. `<name>:<n>:stop` freezes it there with SIGSTOP instead, until a SIGCONT. In
production the variable is unset, and a point costs one call that returns at once:

    failpoints.pass_by("after_read")

The points, in the order in which a worker passes them; some lie in a partition's task, some in the task that keeps the leases:

    after_heartbeat   the other workers see this one; no lease was renewed or acquired yet
    before_acquire    a free partition was seen
    after_acquire     this worker owns the partition, with a new fence, and no task applies it yet
    after_read        entries were read
    after_look_up     the state that the batch is planned on was read
    after_plan        the batch is planned
    before_commit     the commit is about to be sent
    inside_commit     the commit was sent: Redis may have it or not, and no process will read the reply
    after_commit      Redis has applied the batch and replied; this worker's caches are older
    before_release    the partition was revoked, its last batch is finished, the lease is still held
    after_release     the partition is free
    before_leave      all partitions are released; the other workers still count this one

A rebuild passes those from after_read to after_commit while it builds, and then:

    before_swap       the shadow is complete and the steps are written; nothing is changed yet
    after_swap_begin  the next owner of the partition has to finish the swap
    after_swap_step   a step of it is done
    after_swap        all steps are done; the lease is still held

The adoption of newer rules of a zone passes the last four too where days are cut again, and else:

    before_rules      the decision to store the table is made; nothing is changed yet
    after_rules       the table is stored

The compaction of old hours passes two:

    before_compaction sketches were read and encoded; nothing is changed yet
    after_compaction  they are stored in the sparse form
"""

import os
import signal
from collections.abc import Callable, Mapping
from typing import Final

from sidedata.errors import UsageError

VARIABLE: Final = "SIDEDATA_FAILPOINT"
POINTS: Final = (
    "after_heartbeat",
    "before_acquire",
    "after_acquire",
    "after_read",
    "after_look_up",
    "after_plan",
    "before_commit",
    "inside_commit",
    "after_commit",
    "before_release",
    "after_release",
    "before_leave",
)
REBUILD_POINTS: Final = ("before_swap", "after_swap_begin", "after_swap_step", "after_swap")
ADOPTION_POINTS: Final = ("before_rules", "after_rules")
COMPACTION_POINTS: Final = ("before_compaction", "after_compaction")

Hook = Callable[[str], None]


def arm(setting: str) -> Hook:
    """Make a hook that kills or freezes the process at the nth passage of a point: `<name>:<n>` or `<name>:<n>:stop`.

    Raises:
        UsageError: there is no such point, or the number is none.
    """
    name, _, rest = setting.partition(":")
    count, _, how = rest.partition(":")
    if (
        name not in POINTS + REBUILD_POINTS + ADOPTION_POINTS + COMPACTION_POINTS
        or not (count.isascii() and count.isdigit())
        or int(count) < 1
        or how not in ("", "stop")
    ):
        raise UsageError(f"{VARIABLE} is {setting!r}; give a point and a number, such as after_read:3")
    number = signal.SIGSTOP if how else signal.SIGKILL
    remaining = int(count)

    def hook(point: str) -> None:
        nonlocal remaining
        if point == name:
            remaining -= 1
            if remaining == 0:
                os.kill(os.getpid(), number)

    return hook


def from_environment(environ: Mapping[str, str]) -> Hook | None:
    """The hook that the environment asks for, or None."""
    setting = environ.get(VARIABLE)
    return arm(setting) if setting else None


armed: Hook | None = from_environment(os.environ)


def pass_by(point: str) -> None:
    """Pass a point; an armed process may end or freeze here."""
    if armed is not None:
        armed(point)
