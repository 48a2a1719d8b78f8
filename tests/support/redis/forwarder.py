"""A fixed TCP address in front of servers: it can be pointed at another one, hold replies back, and reset its connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from tests.support.listening import listening

_CHUNK = 65_536


class Forwarder:
    """Passes bytes on between clients and the server that `target` names, a Unix socket's path or a host and a port."""

    def __init__(self, target: str | tuple[str, int]) -> None:
        self.target = target
        self.port = 0
        self.held = False  # replies are read and dropped
        self.sent = b""  # all that clients have sent
        self.opened = 0  # connections so far
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The address, without a login."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """The number of connections that are open."""
        return len(self._clients)

    def reset_all(self) -> None:
        """Reset every connection, as a firewall does with idle ones."""
        for writer in self._clients:
            linger = struct.pack("ii", 1, 0)  # closing discards what waits and sends RST
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, to the end of either side."""
        self.opened += 1
        self._clients.add(writer)
        ours = [writer]
        ways: list[asyncio.Task[None]] = []
        try:
            server_reader, server_writer = await self._connect()
            ours.append(server_writer)
            ways += [
                asyncio.create_task(self._requests(reader, server_writer)),
                asyncio.create_task(self._replies(server_reader, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # the server is down, and so is its address
        finally:
            self._clients.discard(writer)
            for stream in ours:
                stream.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, str):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection(*self.target)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            self.sent += data
            writer.write(data)
            await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if not self.held:
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def forwarding(url: str) -> AsyncIterator[Forwarder]:
    """A forwarder to the server at an address."""
    forwarder = Forwarder(target_of(url))
    async with listening(forwarder.serve) as forwarder.port:
        yield forwarder


def target_of(url: str) -> str | tuple[str, int]:
    """The target of a forwarder to the server at an address."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return dict(parse_qsl(parts.query)).get("path", parts.path)
    return parts.hostname or "127.0.0.1", parts.port or 6379
