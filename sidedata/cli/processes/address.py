"""Where the service that `up` and `demo` start can be reached, and whether it can."""

import asyncio
import socket
from contextlib import ExitStack
from typing import Final

import aiohttp

from sidedata.errors import StopError
from sidedata.settings import Settings

READY_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.1
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def base_url(settings: Settings) -> str:
    """The service's address for somebody on this machine."""
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def free_ports(host: str, wanted: list[int]) -> list[int]:
    """Those ports as far as they are free on that address, others in place of those that are taken or 0.

    Raises:
        StopError: nothing can listen on that address.
    """
    try:
        family, _, _, _, _ = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with ExitStack() as held:  # all at once, so that none is given twice
            sockets = [held.enter_context(_listener(family, host, port)) for port in wanted]
            return [int(listener.getsockname()[1]) for listener in sockets]
    except OSError as error:
        raise StopError(f"SIDEDATA_HOST {host!r} can't be listened on: {error.strerror or error}") from error


def _listener(family: int, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    # As servers do it: a connection of an earlier run that is still being forgotten doesn't make the port taken.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1)
    except OSError:
        listener.close()
        if port == 0:
            raise
        return _listener(family, host, 0)
    return listener


async def service_answers(session: aiohttp.ClientSession, settings: Settings) -> None:
    """Return as soon as the service is ready to answer.

    Raises:
        StopError: it isn't within 30 seconds.
    """
    said = ""
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    async with session.get(f"{base_url(settings)}/readyz") as response:
                        if response.ok:
                            return
                        said = f"/readyz says {response.status}"
                except (aiohttp.ClientError, TimeoutError) as error:
                    said = str(error) or type(error).__name__
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError as error:
        raise StopError(f"the service isn't ready after {READY_SECONDS:.0f} seconds: {said}") from error
