"""Commands that concern a server itself and change none of its keys."""

import asyncio
import contextlib
from collections.abc import Sequence

from sidedata.conditions import ONLY_WRITES_FAIL
from sidedata.errors import CommandRefusedError, SidedataError, StoreUnavailableError
from sidedata.redis.gateway import Gateway


async def ping(gateway: Gateway) -> None:
    """Return when every server that holds keys has answered.

    A master that can't save to disk refuses PING like a write, and answers reads.

    Raises:
        StoreUnavailableError: a server is out of reach or not ready.
    """
    for primary in await gateway.primaries():
        try:
            await primary.command("PING")
        except SidedataError as error:
            if error.code not in ONLY_WRITES_FAIL:
                raise


async def shut_down(gateway: Gateway) -> None:
    """Shut the server down in order, its append-only file flushed; a no-op if it is gone.

    Raises:
        StopError: the server refuses.
    """
    with contextlib.suppress(StoreUnavailableError):  # the reply is the end of the connection
        await gateway.command("SHUTDOWN", "NOSAVE")


async def probe_writes(gateway: Gateway, streams: Sequence[str]) -> None:
    """Return if the servers that hold some streams take writes to them. Nothing is written.

    The probe is an XADD with an id that no entry can have. Redis first checks if it takes writes at all, then refuses the id.

    Raises:
        StoreUnavailableError: a server takes no writes, or is out of reach.
        CommandRefusedError: this user has no right to add to one of the streams; its code is NOPERM.
    """
    await asyncio.gather(*(_probe(gateway, stream) for stream in streams))


async def _probe(gateway: Gateway, stream: str) -> None:
    try:
        await gateway.command("XADD", stream, "NOMKSTREAM", "0-0", "probe", "")
    except CommandRefusedError as error:
        if error.code == "NOPERM":
            raise
