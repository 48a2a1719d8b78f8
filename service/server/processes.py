"""Several service processes on one port, started, watched and stopped by one that does nothing else.

Each listens by itself (SO_REUSEPORT) and the kernel deals connections out to those that do. So one that dies takes none of the
connections to come along: it is started again when a signal has killed it (out of memory, say). One that ends by itself had a
reason, which would be the same again: then all stop. Those that are left over when this one dies see the pipe close, and stop.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress

import click
import msgspec
from prometheus_client.multiprocess import mark_process_dead

from sidedata.cli.processes.children import environment
from sidedata.cli.stopping import until_first_ends
from sidedata.embedded.server import redis_url
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.redis.client import connect
from sidedata.schema.installation import open_installation
from sidedata.settings import Settings

# Of the ten within which all must be gone; a process needs less unless it hangs.
_STOP_SECONDS = 9.0
_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 1.0

_log = logging.getLogger("sidedata.service")


async def serve_with_several(settings: Settings) -> None:
    """Run `settings.processes` services until SIGTERM or SIGINT.

    Raises:
        StopError: the address is taken, the settings don't fit the installation, or a process has ended by itself.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with redis_url(settings) as url:
        await _look(settings, url)
        with ExitStack() as held:
            port = _reserve(settings, held)
            shared = held.enter_context(tempfile.TemporaryDirectory(prefix="sidedata-metrics-"))
            variables = environment(msgspec.structs.replace(settings, redis_url=url, port=port, processes=1))
            services = _Services({**variables, "PROMETHEUS_MULTIPROC_DIR": shared})
            try:
                await until_first_ends(services.run(settings.processes), _wait(stop))
            finally:
                await services.stop()


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()


async def _look(settings: Settings, url: str) -> None:
    """What keeps one from running keeps all: say it once. Redis that can't be reached they wait for."""
    client = connect(url, timeout=_LOOK_SECONDS)
    try:
        with suppress(StoreUnavailableError):
            await open_installation(client, settings, secret_needed=True)
    finally:
        await client.aclose()


def _reserve(settings: Settings, held: ExitStack) -> int:
    """The port, free for ours and kept from others; a socket that doesn't listen is dealt no connections."""
    try:
        found = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)  # without SO_REUSEPORT, so that somebody else's several are noticed, too
        kept = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(address)
    except OSError as error:
        raise StopError(f"can't listen on {settings.host}:{settings.port}: {error.strerror or error}") from error
    return int(kept.getsockname()[1])


class _Services:
    """The processes by place."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._said: list[str] = []

    async def run(self, count: int) -> None:
        """Keep so many running.

        Raises:
            StopError: one has ended by itself.
        """
        await until_first_ends(*(self._keep(place, count) for place in range(count)))

    async def _keep(self, place: int, count: int) -> None:
        while True:
            process = self._processes[place] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "sidedata.cli.main", "serve", "--beside-others"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._variables,
                start_new_session=True,  # Ctrl-C reaches us alone, and we tell them
            )
            assert process.stdout is not None  # noqa: S101 - it was asked for
            # The only thing that a service says there is where it listens.
            line = (await process.stdout.readline()).decode()
            if line and len(self._said) < count:
                self._said.append(line)
                if len(self._said) == count:
                    click.echo(f"{line.rstrip()} with {count} processes")
            status = await process.wait()
            mark_process_dead(process.pid, self._variables["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]
            if status >= 0:
                raise StopError(f"one of {count} service processes ended by itself with status {status}")
            _log.error("service process %d was killed by %s", process.pid, signal.Signals(-status).name)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def stop(self) -> None:
        """Let all finish what they have in hand."""
        waiting = []
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.terminate()
            waiting.append(asyncio.create_task(process.wait()))
        if waiting:
            await asyncio.wait(waiting, timeout=_STOP_SECONDS)
            for process in self._processes.values():
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
            await asyncio.gather(*waiting)
