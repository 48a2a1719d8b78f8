"""Commands that concern a server itself and none of its keys."""

import contextlib

from sidedata.errors import StoreUnavailableError
from sidedata.redis.gateway import Gateway


async def ping(gateway: Gateway) -> None:
    """Return when every server that holds keys has answered.

    Raises:
        StoreUnavailableError: a server is out of reach or not ready.
    """
    for primary in await gateway.primaries():
        await primary.command("PING")


async def shut_down(gateway: Gateway) -> None:
    """Shut the server down in order, its append-only file flushed; a no-op if it is gone.

    Raises:
        StopError: the server refuses.
    """
    with contextlib.suppress(StoreUnavailableError):  # the reply is the end of the connection
        await gateway.command("SHUTDOWN", "NOSAVE")
