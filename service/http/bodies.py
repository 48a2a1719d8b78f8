"""Reading bodies: their content type, their size before and after decompression, and nothing taken on trust.

The server leaves decompression to us (`auto_decompress` is off), because its own would spend memory before any limit of
ours applies.
"""

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import web

from sidedata.service.http.problems import ProblemError
from sidedata.service.http.state import Holding

# A client that takes longer than this to send what fits in the limits holds a connection and nothing else.
BODY_SECONDS = 60
# gzip may grow what can't be compressed, by far less than this.
_GZIP_OVERHEAD = 64 * 1024
# A member has 20 bytes at least; a body of empty members would be all work and no data.
_MOST_MEMBERS = 10_000


def content_type(request: web.Request, allowed: tuple[str, ...]) -> str:
    """The body's media type, parameters aside.

    Raises:
        ProblemError: 415, it is none of those allowed.
    """
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise ProblemError(415, f"the body must be {' or '.join(allowed)}")
    return given


async def plain_body(request: web.Request, limit: int) -> bytes:
    """The body as it came, of at most `limit` bytes.

    Raises:
        ProblemError: 408, 413, or 415 for a compressed one.
    """
    if encoding(request) != "identity":
        raise ProblemError(415, "the body must not be compressed")
    body = bytearray()
    await _read(request, limit, limit, body.extend)
    return bytes(body)


async def decoded_body(request: web.Request, limit: int, holding: Holding) -> bytes:
    """The body, decompressed if it is gzip, of at most `limit` bytes then; `holding` is told how much of it is in memory.

    Raises:
        ProblemError: 400 for broken gzip, 408, 413, 415 for another encoding, or 503 for too many bodies at once.
    """
    coding = encoding(request)
    if coding == "identity":
        body = bytearray()

        def take(data: bytes) -> None:
            holding.grow(len(data))
            body.extend(data)

        await _read(request, limit, limit, take)
        return bytes(body)
    if coding not in ("gzip", "x-gzip"):
        raise ProblemError(415, "Content-Encoding must be gzip or none")
    gunzip = Gunzip(limit)

    def unpack(data: bytes) -> None:
        before = gunzip.size
        gunzip.feed(data)
        holding.grow(gunzip.size - before)

    await _read(request, limit + _GZIP_OVERHEAD, limit, unpack)
    return gunzip.finish()


def encoding(request: web.Request) -> str:
    """How the body is encoded."""
    return ",".join(request.headers.getall("Content-Encoding", ())).strip().lower() or "identity"


async def _read(request: web.Request, limit: int, told: int, sink: Callable[[bytes], None]) -> None:
    """Hand the body's bytes to `sink` as they come in; `told` is the limit that an error names."""
    too_large = ProblemError(413, f"the body is larger than {told} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise too_large
                sink(chunk)
    except TimeoutError as error:
        raise ProblemError(408, f"the body took longer than {BODY_SECONDS} seconds") from error


class Gunzip:
    """Decompresses gzip, several members in a row too, and never holds more than `limit` bytes and a chunk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._out = bytearray()
        self._members = 0
        self._member: zlib._Decompress | None = None

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self._out)

    def feed(self, data: bytes) -> None:
        """Decompress what came in.

        Raises:
            ProblemError: 400 for what is no gzip, 413 beyond the limit.
        """
        while data:
            if self._member is None:
                data = self._next_member(data)
                if self._member is None:
                    return
            try:
                self._out += self._member.decompress(data, self._limit + 1 - len(self._out))
            except zlib.error as error:
                raise ProblemError(400, "the body is not valid gzip") from error
            if len(self._out) > self._limit:
                raise ProblemError(413, f"the body is larger than {self._limit} bytes once decompressed")
            if self._member.eof:
                data, self._member = self._member.unused_data, None
            else:
                data = self._member.unconsumed_tail

    def _next_member(self, data: bytes) -> bytes:
        """Begin a member; zeros behind one are padding."""
        if self._members:
            data = data.lstrip(b"\0")
        if data:
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise ProblemError(400, f"the body has more than {_MOST_MEMBERS} gzip members")
            self._member = zlib.decompressobj(wbits=31)
        return data

    def finish(self) -> bytes:
        """All of it.

        Raises:
            ProblemError: 400, the end is missing.
        """
        if self._member is not None or not self._members:
            raise ProblemError(400, "the gzip body is cut short")
        return bytes(self._out)
