"""A server of a test's own, whose connections end with it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve, path: str | None = None) -> AsyncIterator[int]:
    """A server that calls `serve` for each connection: its port, a free one of TCP; 0 at the path of a Unix socket."""
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        task.add_done_callback(connections.discard)
        with contextlib.suppress(asyncio.CancelledError):  # the end of the test
            await serve(reader, writer)

    if path is None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
    else:
        server, port = await asyncio.start_unix_server(accept, path), 0
    try:
        yield port
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)  # a transport closes in the loop's next turns
