"""Request bodies: content type, and size before and after decompression.

Decompression happens here and not in aiohttp (`auto_decompress` is off), which would use memory before any limit applies.
"""

import asyncio
import zlib
from collections.abc import Callable

from aiohttp import HttpVersion11, web

from sidedata.service.http.problems import ProblemError
from sidedata.service.http.state import BodyBudget

# Even at the limit a body arrives faster than this; a slower client only occupies a connection.
BODY_SECONDS = 60
# gzip may enlarge incompressible data, but by far less than this.
_GZIP_OVERHEAD = 64 * 1024
# A member has at least 20 bytes; a body of empty members would cost time and hold no data.
_MOST_MEMBERS = 10_000


def content_type(request: web.Request, allowed: tuple[str, ...]) -> str:
    """The body's media type, without parameters.

    Raises:
        ProblemError: 415, the media type is not allowed.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type not in allowed:
        raise ProblemError(415, f"the body must be {' or '.join(allowed)}")
    return media_type


async def plain_body(request: web.Request, limit: int) -> bytes:
    """Read an uncompressed body of at most `limit` bytes.

    Raises:
        ProblemError: 408, 413, or 415 for a compressed one.
    """
    if encoding(request) != "identity":
        raise ProblemError(415, "the body must not be compressed")
    body = bytearray()
    await _read(request, limit, limit, body.extend)
    return bytes(body)


async def decoded_body(request: web.Request, limit: int, budget: BodyBudget) -> bytes:
    """Read a body of at most `limit` bytes, counted after decompression if it is gzip; `budget` accounts for its memory.

    Raises:
        ProblemError: 400 for broken gzip, 408, 413, 415 for another encoding, or 503 for too many bodies at once.
    """
    coding = encoding(request)
    if coding == "identity":
        body = bytearray()

        def append(data: bytes) -> None:
            budget.reserve(len(data))
            body.extend(data)

        await _read(request, limit, limit, append)
        return bytes(body)
    if coding not in ("gzip", "x-gzip"):
        raise ProblemError(415, "Content-Encoding must be gzip or none")
    gunzip = Gunzip(limit)

    def unpack(data: bytes) -> None:
        before = gunzip.size
        gunzip.feed(data)
        budget.reserve(gunzip.size - before)

    await _read(request, limit + _GZIP_OVERHEAD, limit, unpack)
    return gunzip.finish()


def encoding(request: web.Request) -> str:
    """The body's content encoding in lower case; `identity` if it has none."""
    return ",".join(request.headers.getall("Content-Encoding", ())).strip().lower() or "identity"


async def _read(request: web.Request, limit: int, named_limit: int, sink: Callable[[bytes], None]) -> None:
    """Pass the body's bytes to `sink` as they arrive; `named_limit` is the limit that an error names."""
    too_large = ProblemError(413, f"the body is larger than {named_limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            await _continue(request)
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise too_large
                sink(chunk)
    except TimeoutError as error:
        raise ProblemError(408, f"the body took longer than {BODY_SECONDS} seconds") from error


async def _continue(request: web.Request) -> None:
    """Send `100 Continue` to a client that waits for it before it sends the body."""
    if request.version >= HttpVersion11 and "Expect" in request.headers and not request.content.is_eof():
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response itself has not begun


async def expect(request: web.Request) -> None:
    """Check the header Expect, before any middleware.

    Unlike aiohttp's own check it sends no `100 Continue`: that is sent when the body is read, after all refusals that don't need
    the body.

    Raises:
        HTTPExpectationFailed: the client expects something else.
    """
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() != "100-continue":
        raise web.HTTPExpectationFailed


class Gunzip:
    """Decompresses gzip of one or more members, with at most `limit` bytes and a chunk in memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._output = bytearray()
        self._members = 0
        self._member: zlib._Decompress | None = None

    @property
    def size(self) -> int:
        """The number of bytes decompressed so far."""
        return len(self._output)

    def feed(self, data: bytes) -> None:
        """Decompress the next data.

        Raises:
            ProblemError: 400 for invalid gzip, 413 beyond the limit.
        """
        while data:
            if self._member is None:
                data = self._next_member(data)
                if self._member is None:
                    return
            try:
                self._output += self._member.decompress(data, self._limit + 1 - len(self._output))
            except zlib.error as error:
                raise ProblemError(400, "the body is not valid gzip") from error
            if len(self._output) > self._limit:
                raise ProblemError(413, f"the body is larger than {self._limit} bytes once decompressed")
            if self._member.eof:
                data, self._member = self._member.unused_data, None
            else:
                data = self._member.unconsumed_tail

    def _next_member(self, data: bytes) -> bytes:
        """Begin a member; zeros after a member are padding."""
        if self._members:
            data = data.lstrip(b"\0")
        if data:
            self._members += 1
            if self._members > _MOST_MEMBERS:
                raise ProblemError(400, f"the body has more than {_MOST_MEMBERS} gzip members")
            self._member = zlib.decompressobj(wbits=31)
        return data

    def finish(self) -> bytes:
        """Return all decompressed bytes.

        Raises:
            ProblemError: 400, the end is missing.
        """
        if self._member is not None or not self._members:
            raise ProblemError(400, "the gzip body is cut short")
        return bytes(self._output)
