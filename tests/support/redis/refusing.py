"""A server that speaks Redis's protocol and refuses every command in one way, its arguments in the text or not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

Refusal = Callable[[Sequence[str]], str]  # a command's words to the text of an error reply


async def _words(reader: asyncio.StreamReader) -> list[str]:
    count = int((await reader.readline())[1:])
    words = []
    for _ in range(count):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(size + 2))[:-2].decode(errors="replace"))
    return words


@asynccontextmanager
async def refusing(refusal: Refusal) -> AsyncIterator[int]:
    """The server's TCP port."""
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            while True:
                words = await _words(reader)
                writer.write(f"-{refusal(words)}\r\n".encode())
                await writer.drain()
        except (ValueError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has left, or the test is over
        finally:
            writer.close()
            handlers.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)  # a transport closes in the loop's next turns
