"""The address of the service that `up` and `demo` start, and the wait until it is ready."""

import asyncio
import errno
import os
import socket
from contextlib import ExitStack
from typing import Final

import aiohttp

from sidedata.errors import StopError
from sidedata.settings import Settings

READY_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.1
Address = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]  # by family, as the system takes it
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def base_url(settings: Settings) -> str:
    """The service's address for clients on this machine."""
    host = _EVERY_ADDRESS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def address_to_bind(host: str, port: int) -> tuple[int, Address]:
    """Find the family and the address of a socket that listens on a host, "" for every address of this machine.

    Raises:
        OSError: there is no such host.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return family, address


def free_ports(host: str, ports: list[int]) -> list[int]:
    """Return each port if it is free on that address, and a free one in place of 0 and of each that is in use.

    Raises:
        StopError: no process can listen on that address.
    """
    try:
        family, _ = address_to_bind(host, 0)
        with ExitStack() as stack:  # all at once, so that no port is returned twice
            sockets = [stack.enter_context(_listener(family, host, port)) for port in ports]
            return [int(listener.getsockname()[1]) for listener in sockets]
    except OSError as error:
        raise StopError(f"SIDEDATA_HOST {host!r} can't be listened on: {error.strerror or error}") from error


def taken_port(setting: str, host: str, port: int, error: OSError) -> StopError:
    """The error of a process that can't listen; `setting` is the port's.

    The text of aiohttp's error names the address a second time, so the system's own text stands here.
    """
    if error.errno == errno.EADDRINUSE:
        reason = f"the port is in use; end what listens there, or set {setting} to another"
    elif isinstance(error, socket.gaierror):  # its number is none of the system's
        reason = f"there is no such host ({error.strerror}); correct SIDEDATA_HOST"
    else:
        reason = os.strerror(error.errno) if error.errno else str(error)
    return StopError(f"can't listen on {host}:{port}: {reason}")


def check_ports(settings: Settings) -> None:
    """Check that service and worker can listen, before anything is started.

    Raises:
        StopError: one of the ports is in use.
    """
    for setting, port in (("SIDEDATA_PORT", settings.port), ("SIDEDATA_WORKER_PORT", settings.worker_port)):
        try:
            family, address = address_to_bind(settings.host, port)
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
        except socket.gaierror as error:
            raise StopError(f"SIDEDATA_HOST {settings.host!r} can't be listened on: {error.strerror}") from error
        except OSError as error:
            raise taken_port(setting, settings.host, port, error) from error


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
