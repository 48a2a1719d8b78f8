"""The embedded Redis, for installations without an address: started on a Unix socket in the data directory, shared, stopped.

Only `sidedata up` and `sidedata demo` start it. Other processes attach to a running one, and create nothing where none runs.

Three lock files in the data directory coordinate the processes:

* `server.lock` is held by the Redis process itself (it inherits the open file), and its content is the server's socket. So
  a second server never writes the same append-only file, not even while the first is starting or loading.
* `users.lock` is held, shared, by every process that uses the server. The last one to leave stops the server. That is normally
  the process that started it; after a SIGKILL it is a later user.
* `starting.lock` is held by a process that starts, attaches or leaves, one at a time.
"""

import asyncio
import math
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click
import msgspec

from sidedata.embedded.data_directory import (
    SERVER_LOCK,
    data_directory,
    not_running,
    running_directory,
    socket_path,
    stored_secret,
)
from sidedata.embedded.lock_file import SHARED, LockFile
from sidedata.embedded.server_choice import choose_server
from sidedata.embedded.server_process import last_line, launch
from sidedata.embedded.server_version import ServerVersion
from sidedata.embedded.written_by import note_writer
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.redis.client import connect
from sidedata.redis.server import ping, shut_down
from sidedata.settings import Settings

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0
_TURN_SECONDS: Final = START_SECONDS + 2 * STOP_SECONDS  # the longest turn of another process
_PAUSE_SECONDS: Final = 0.02


@asynccontextmanager
async def redis_url(settings: Settings) -> AsyncIterator[str]:
    """The address of the Redis of `up` and `demo`: that of the settings, else that of the embedded server.

    The embedded server is started if it does not run, and runs while the context lasts.

    Raises:
        StopError: there is no server to start, or it did not start; the text holds advice, or the last line of its log.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    server = EmbeddedServer(data_directory(Path(settings.data_dir)))
    await server.enter(start=True)
    try:
        yield server.url
    finally:
        await server.leave()


@asynccontextmanager
async def attach(settings: Settings) -> AsyncIterator[Settings]:
    """The settings with the address of a running Redis: theirs, else with that of the embedded server and its secret.

    The embedded server keeps running while the context lasts. Nothing is created where none runs.

    Raises:
        StopError: no server runs in the data directory, which the text names.
    """
    if settings.redis_url:
        yield settings
        return
    server = EmbeddedServer(running_directory(Path(settings.data_dir)))
    await server.enter(start=False)
    try:
        yield msgspec.structs.replace(settings, redis_url=server.url, secret=stored_secret(settings))
    finally:
        await server.leave()


class EmbeddedServer:
    """This process's use of the one server of a data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._starting = LockFile(self._directory / "starting.lock")
        self._users = LockFile(self._directory / "users.lock")
        self._socket = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._version: ServerVersion | None = None  # of the server that this process has started

    @property
    def url(self) -> str:
        """The address in the form of the settings."""
        return f"unix://{quote(self._socket)}"

    async def enter(self, *, start: bool) -> None:
        """Attach to the running server or, with `start`, start one where none runs; it runs until `leave` at least.

        Raises:
            StopError: it did not start, or none runs.
        """
        try:
            await self._turn()
            try:
                if start:
                    await self._attach_or_start()
                else:
                    self._attach()
                self._users.acquire(SHARED)  # only a leaving process holds it exclusively, and its turn is over
            except BaseException:
                self._abandon()
                raise
            self._starting.release()
        except BaseException:
            self._close()
            raise

    async def leave(self) -> None:
        """Leave the server to its other users, or stop it if there are none."""
        try:
            await self._turn()
            self._users.release()
            if self._users.acquire():
                await self._stop()
            elif self._process is not None:
                # Others stop the server, and then this process, if it still runs, has to reap its child.
                threading.Thread(target=self._process.wait, daemon=True).start()
        finally:
            self._close()  # releases the locks, too

    async def _turn(self) -> None:
        if not await self._starting.wait(_TURN_SECONDS):
            raise StopError(
                f"another process has been starting or stopping the Redis in {self._directory} for too long"
            )

    async def _attach_or_start(self) -> None:
        limit = time.monotonic() + START_SECONDS
        failure = ""
        while time.monotonic() < limit:
            # In every round, because the server may have been ending when this process attached to it.
            self._start_unless_running()
            failure = await self._failure()
            if not failure:
                if self._version is not None:
                    # Before any client can write; a server that did not get as far has changed nothing.
                    note_writer(self._directory, self._version)
                return
            if self._process is not None and self._process.poll() is not None:
                raise StopError(f"the embedded Redis didn't start: {last_line(self._directory)}")
            await asyncio.sleep(_PAUSE_SECONDS)
        raise StopError(
            f"the embedded Redis isn't ready after {START_SECONDS:.0f} seconds ({failure}): {last_line(self._directory)}"
        )

    def _attach(self) -> None:
        # Without a PING: the process that starts a server keeps its turn until the server answers.
        server = LockFile(self._directory / SERVER_LOCK)
        try:
            if server.acquire():
                raise not_running(self._directory)
            self._socket = server.read()
        finally:
            server.close()

    def _start_unless_running(self) -> None:
        if self._process is not None:
            return
        server = LockFile(self._directory / SERVER_LOCK)
        try:
            if server.acquire():
                choice = choose_server(self._directory)
                for notice in choice.notices:
                    click.echo(notice, err=True)
                self._socket = os.fsencode(socket_path(self._directory))
                server.write(self._socket)
                self._process = launch(choice.server, self._directory, self._socket, server.fileno())
                self._version = choice.server.version
            else:
                self._socket = server.read()
        finally:
            server.close()

    async def _failure(self) -> str:
        """Ping the server; returns the cause if it doesn't answer yet, "" if it does."""
        gateway = connect(self.url, timeout=1)
        try:
            await ping(gateway)
        except StoreUnavailableError as error:
            return str(error)
        finally:
            await gateway.aclose()
        return ""

    async def _stop(self) -> None:
        """Stop the server in order, its append-only file flushed."""
        # By command rather than by signal: it reaches this very server, even if the system has reused its process id.
        gateway = connect(self.url, timeout=STOP_SECONDS)
        try:
            await shut_down(gateway)
        finally:
            await gateway.aclose()
        server = LockFile(self._directory / SERVER_LOCK)
        try:
            if not await server.wait(STOP_SECONDS):
                self._abandon()
        finally:
            server.close()
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)  # it has released the lock, so this takes milliseconds

    def _abandon(self) -> None:
        """Kill the server if this process has started it; the content of its append-only file stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        self._users.close()
        self._starting.close()


async def server_ended(settings: Settings) -> None:
    """Return when the embedded server of these settings has ended; never if they name an address."""
    if settings.redis_url:
        await asyncio.Event().wait()
    server = LockFile(data_directory(Path(settings.data_dir)) / SERVER_LOCK)
    try:
        await server.wait(math.inf, pause=0.5)
    finally:
        server.close()
