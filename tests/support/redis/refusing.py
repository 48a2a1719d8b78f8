"""A server that speaks Redis's protocol and refuses every command in one way, its arguments in the text or not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from tests.support.listening import listening

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

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                words = await _words(reader)
                writer.write(f"-{refusal(words)}\r\n".encode())
                await writer.drain()
        except (ValueError, OSError, asyncio.IncompleteReadError):
            pass  # the client has left
        finally:
            writer.close()

    async with listening(serve) as port:
        yield port
