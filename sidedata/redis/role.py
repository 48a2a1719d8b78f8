"""The role of a server: a master serves, a replica may hold old numbers and takes no writes.

After a failover behind a fixed address, connections to the demoted master stay open and still answer reads. So each new
connection asks for the role, and reads ask again every half second. INFO states it, for which every process of an installation
has the right; ROLE is a right of its own. A user without that right, or a proxy without INFO, goes unchecked.
"""

import contextlib
import time
from typing import TYPE_CHECKING, Final

from redis.exceptions import ReadOnlyError, ResponseError

from sidedata.redis.exchange import exchange

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

ASK_ROLE: Final = ("INFO", "replication")
# Half of the time within which a failover must be over for clients.
_SECONDS: Final = 0.5


class RoleWatch:
    """A timer that all reads of a gateway share."""

    def __init__(self) -> None:
        self._due = 0.0

    def is_due(self) -> bool:
        """Tell if the caller should ask for the role; the next callers need not for half a second."""
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + _SECONDS
        return True


def is_replica(reply: object) -> bool:
    """Tell if a reply of INFO states the role of a replica; an error reply states nothing."""
    return isinstance(reply, bytes) and b"role:slave" in reply


def replica_error() -> ReadOnlyError:
    """The error of a connection to a replica."""
    return ReadOnlyError("the server is a replica")


async def connect_to_master(connection: "AbstractConnection") -> None:
    """Prepare a new connection as redis-py does, then check the server's role.

    Raises:
        redis.exceptions.ReadOnlyError: the server is a replica.
    """
    await connection.on_connect()
    role: object = None
    with contextlib.suppress(ResponseError):
        (role,) = await exchange(connection, [ASK_ROLE])
    if is_replica(role):
        raise replica_error()
