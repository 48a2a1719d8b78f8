"""The conditions in which Redis refuses commands, by the code that begins its error reply: the cause and the remedy in words."""

from typing import Final, NamedTuple

from sidedata.errors import SidedataError


class Condition(NamedTuple):
    """A condition of Redis; `passing` ones end without a change of this process's configuration."""

    detail: str
    advice: str
    passing: bool = True


UNREACHABLE: Final = Condition("Redis is out of reach", "start Redis, or correct SIDEDATA_REDIS_URL")
HANGING: Final = Condition(
    "Redis did not answer in time",
    "see if its process is stopped or waits for its disk, and if its machine swaps; SLOWLOG GET names commands that block it",
)
CONDITIONS: Final = {
    "LOADING": Condition("Redis is loading its data", "wait; a large append-only file takes minutes"),
    "BUSY": Condition(
        "a script or function keeps Redis busy",
        "wait; if it lasts, `SCRIPT KILL` or `FUNCTION KILL` ends it unless it has written, and SLOWLOG GET names it",
    ),
    "OOM": Condition(
        "Redis is full and takes no events",
        "raise maxmemory, or let workers apply the backlog; `sidedata inspect --memory` shows the largest kinds of keys",
    ),
    "MISCONF": Condition(
        "Redis takes no writes because it can't save them to disk",
        "free space on Redis's disk and look at its log for the failed save; writes go on after the next successful one",
    ),
    "READONLY": Condition(
        "the server is a replica, which takes no writes and may hold old numbers",
        "point SIDEDATA_REDIS_URL to the master; during a failover wait until its address has moved",
    ),
    "MASTERDOWN": Condition(
        "the server is a replica that has lost its master",
        "point SIDEDATA_REDIS_URL to the master; during a failover wait until its address has moved",
    ),
    "CLUSTERDOWN": Condition(
        "the cluster does not serve all slots",
        "wait for the failover; then see `CLUSTER INFO` and start the missing nodes",
    ),
    "NOREPLICAS": Condition(
        "Redis takes no writes because too few replicas are connected",
        "start replicas, or lower min-replicas-to-write in Redis",
    ),
    "TRYAGAIN": Condition("a slot of the cluster is being moved", "wait until the slot migration is over"),
    "TIMEOUT": Condition(
        "the answer was not ready in time", "see if Redis hangs, by SLOWLOG GET and `sidedata doctor`; ask again"
    ),
    "UNBLOCKED": Condition("Redis ended a read that waited", "wait; it happens in a failover"),
    "NOAUTH": Condition(
        "Redis requires a login", "put the user and the password into SIDEDATA_REDIS_URL", passing=False
    ),
    "WRONGPASS": Condition(
        "Redis refused the login", "correct the user and the password in SIDEDATA_REDIS_URL", passing=False
    ),
    "NOPERM": Condition(
        "Redis refused a command for want of a right",
        "grant this user the rights that deploy/users.acl lists; `ACL LOG` names the missing one",
        passing=False,
    ),
}
# Redis still answers reads in these.
ONLY_WRITES_FAIL: Final = frozenset(("MISCONF", "OOM", "NOREPLICAS"))


def condition_of(error: SidedataError) -> Condition:
    """The condition that an error tells of; one without a known code came from no reply at all."""
    return CONDITIONS.get(error.code, UNREACHABLE)
