"""The address of the service that `up` and `demo` start, and the wait until it is ready."""

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
    """The service's address for clients on this machine."""
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def free_ports(host: str, ports: list[int]) -> list[int]:
    """Return each port if it is free on that address, and a free one in place of 0 and of each that is in use.

    Raises:
        StopError: no process can listen on that address.
    """
    try:
        family, _, _, _, _ = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with ExitStack() as stack:  # all at once, so that no port is returned twice
            sockets = [stack.enter_context(_listener(family, host, port)) for port in ports]
            return [int(listener.getsockname()[1]) for listener in sockets]
    except OSError as error:
        raise StopError(f"SIDEDATA_HOST {host!r} can't be listened on: {error.strerror or error}") from error


def _listener(family: int, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    # As servers do: a connection of an earlier run in TIME_WAIT does not occupy the port.
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
    """Return as soon as the service is ready.

    Raises:
        StopError: it is not ready within 30 seconds.
    """
    failure = ""
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                try:
                    async with session.get(f"{base_url(settings)}/readyz") as response:
                        if response.ok:
                            return
                        failure = f"/readyz says {response.status}"
                except (aiohttp.ClientError, TimeoutError) as error:
                    failure = str(error) or type(error).__name__
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError as error:
        raise StopError(f"the service isn't ready after {READY_SECONDS:.0f} seconds: {failure}") from error
