"""Several service processes on one port, with a parent that only starts, watches and stops them.

Each process listens for itself (SO_REUSEPORT), and the kernel distributes connections over the listening processes. So a process
that dies affects no new connections. A process that was killed by a signal (for lack of memory, say) is started again. A process
that ends by itself had a reason, which would be the same for the next one: then all of them stop. If the parent dies, they stop
too.
"""

import asyncio
import logging
import signal
import socket
import tempfile
from contextlib import ExitStack, suppress

import click
import msgspec
from prometheus_client.multiprocess import mark_process_dead

from sidedata.cli.processes.address import address_to_bind, taken_port
from sidedata.cli.processes.supervisor import Supervisor
from sidedata.cli.stopping import stop_on_signals, until_first_ends
from sidedata.embedded.server import attach
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.redis.client import connect
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

_RESTART_SECONDS = 1.0
_CHECK_SECONDS = 1.0

_log = logging.getLogger("sidedata.service")


async def serve_with_several(settings: Settings) -> None:
    """Run `settings.processes` services until SIGTERM or SIGINT.

    Raises:
        StopError: the address is taken, the settings don't fit the installation, or a process has ended by itself.
    """
    stop = stop_on_signals()
    async with attach(settings) as attached:
        await _check_installation(attached)
        with ExitStack() as resources:
            port = _reserve_port(settings, resources)
            metrics = resources.enter_context(tempfile.TemporaryDirectory(prefix="sidedata-metrics-"))
            child = msgspec.structs.replace(attached, port=port, processes=1)
            async with Supervisor(child, variables={"PROMETHEUS_MULTIPROC_DIR": metrics}) as supervisor:
                services = _Services(supervisor, settings.processes, metrics)
                await until_first_ends(services.run(), stop.wait())


async def _check_installation(settings: Settings) -> None:
    """Raise once, here, the error that would stop each process; for an unreachable Redis the processes wait."""
    gateway = connect(settings.redis_url, timeout=_CHECK_SECONDS)
    try:
        with suppress(StoreUnavailableError):
            await open_installation(gateway, settings, require_secret=True)
    finally:
        await gateway.aclose()


def _reserve_port(settings: Settings, resources: ExitStack) -> int:
    """Reserve the port for the processes, with a socket that does not listen and so gets no connections."""
    try:
        family, address = address_to_bind(settings.host, settings.port)
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)  # without SO_REUSEPORT, so that another program with SO_REUSEPORT is noticed too
        reservation = resources.enter_context(socket.socket(family, socket.SOCK_STREAM))
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind(address)
    except OSError as error:
        raise taken_port("SIDEDATA_PORT", settings.host, settings.port, error) from error
    return int(reservation.getsockname()[1])


class _Services:
    """The service processes of one port."""

    def __init__(self, supervisor: Supervisor, count: int, metrics: str) -> None:
        self._supervisor = supervisor
        self._count = count
        self._metrics = metrics  # the directory that they share
        self._listening = 0

    async def run(self) -> None:
        """Keep all of them running.

        Raises:
            StopError: a process has ended by itself.
        """
        await until_first_ends(*(self._keep_running() for _ in range(self._count)))

    async def _keep_running(self) -> None:
        while True:
            process = await self._supervisor.start("serve", "--beside-others", capture=True)
            assert process.stdout is not None  # noqa: S101 - it is captured
            # The only line that a service prints there is its address.
            line = (await process.stdout.readline()).decode()
            if line and self._listening < self._count:
                self._listening += 1
                if self._listening == self._count:
                    click.echo(f"{line.rstrip()} with {self._count} processes")
            status = await process.wait()
            mark_process_dead(process.pid, self._metrics)  # type: ignore[no-untyped-call]
            if status >= 0:
                raise StopError(f"one of {self._count} service processes ended by itself with status {status}")
            _log.error("service process %d was killed by %s", process.pid, signal.Signals(-status).name)
            await asyncio.sleep(_RESTART_SECONDS)
