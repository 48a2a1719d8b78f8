"""A way to Redis that can be cut: a Unix socket in front of the server's, which ends connections in the middle of a reply."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.listening import listening

_CHUNK = 65_536


class Proxy:
    """Passes bytes on until `cut`."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._left: int | None = None  # bytes of replies that are still passed on; None: all
        self._open: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    def cut(self, after_bytes: int) -> None:
        """Pass that number of further bytes of replies on, then end the connection that the next byte belongs to."""
        self._left = after_bytes

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        ours = {writer}
        try:
            their_reader, their_writer = await asyncio.open_unix_connection(str(self._server))
            ours.add(their_writer)
            self._open |= ours
            ways = {
                asyncio.create_task(self._pass_on(reader, their_writer, replies=False)),
                asyncio.create_task(self._pass_on(their_reader, writer, replies=True)),
            }
            _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in left:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # Redis is down, and so are we
        finally:
            self._open -= ours
            for stream in ours:
                stream.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        while data := await reader.read(_CHUNK):
            if replies and self._left is not None:
                if len(data) > self._left:
                    writer.write(data[: self._left])
                    await writer.drain()
                    self._left = None
                    self.cuts += 1
                    return
                self._left -= len(data)
            writer.write(data)
            await writer.drain()

    def close(self) -> None:
        """End all connections."""
        for writer in list(self._open):
            writer.close()


@contextlib.asynccontextmanager
async def proxied(server: Path, path: Path) -> AsyncIterator[Proxy]:
    """A proxy that listens on the Unix socket `path`."""
    proxy = Proxy(server)
    async with listening(proxy.accept, str(path)):
        yield proxy
