"""The load generator: a process of its own, raw HTTP/1.1 on uvloop, one request in flight on each keep-alive connection.

`python -m bench.load` reads a `Load` as JSON on stdin and prints a `Done`. What it costs per request is far below what any
Python server costs; `busy` says how far.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uvloop
from msgspec import Struct

_HEAD = b"POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Token %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
_MOVING_DAYS = 30


class Load(Struct):
    """The requests of a load."""

    port: int
    path: str
    token: str
    bodies: str = ""  # file of a MessagePack list of bodies, each asked once; "": the last 30 days, ending now
    content_type: str = "application/json"
    connections: int = 32
    seconds: float = 5.0
    warm_seconds: float = 1.0
    more: str = ""  # JSON behind the moving interval


class Done(Struct):
    """The result of a load, without its warm-up."""

    requests: int
    seconds: float
    median_ms: float
    p99_ms: float
    busy: float  # share of a processor that the generator itself took
    refused: int  # answers of 503, warming up included
    faults: list[str]  # other answers that are none
    exhausted: bool = False  # the bodies were used up before the time

    @property
    def rate(self) -> float:
        """Answers a second; what was refused is none."""
        return self.requests / self.seconds


class _Source:
    """The next request's bytes."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._bodies: Iterator[bytes] | None = None
        if load.bodies:
            self._bodies = iter(msgspec.msgpack.decode(Path(load.bodies).read_bytes(), type=list[bytes]))
        self._more = load.more.encode()
        self._second = 0
        self._texts = (b"", b"")
        self._now_head = self._head(len(self._now()))

    def _head(self, length: int) -> bytes:
        load = self._load
        return _HEAD % (load.path.encode(), load.token.encode(), load.content_type.encode(), length)

    def _now(self) -> bytes:
        second, nanosecond = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            start, end = (
                datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
                for at in (second - _MOVING_DAYS * 86_400, second)
            )
            self._texts = start, end
        us = nanosecond // 1000
        return b'{"interval":{"start":"%s.%06dZ","end":"%s.%06dZ"}%s}' % (
            self._texts[0],
            us,
            self._texts[1],
            us,
            self._more,
        )

    def __call__(self) -> bytes | None:
        if self._bodies is None:
            return self._now_head + self._now()
        body = next(self._bodies, None)
        return None if body is None else self._head(len(body)) + body


class _Connection(asyncio.Protocol):
    """Sends, takes the answer in, sends again."""

    def __init__(self, source: Callable[[], bytes | None], answered: Callable[[float, str], bool]) -> None:
        self._source = source
        self._answered = answered
        self._received = b""
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # a TCP connection's is one
        self._send()

    def _send(self) -> None:
        request = self._source()
        if request is None:
            self._end()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            self._received = data
            return
        length = data.find(b"Content-Length: ", 0, head) + 16
        if len(data) < head + 4 + int(data[length : data.index(b"\r", length)]):
            self._received = data
            return
        self._received = b""
        fault = "" if data[9:10] == b"2" else data.decode(errors="replace")[9:600]
        if self._answered(time.perf_counter() - self._sent_at, fault):
            self._send()
        else:
            self._end()

    def _end(self) -> None:
        self._transport.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self.ended.done():
            self.ended.set_exception(ConnectionError("the server hung up"))


async def _run(load: Load) -> Done:
    times: list[float] = []
    faults: list[str] = []
    refused = 0
    source = _Source(load)
    start = time.perf_counter()
    measured_from = cpu = 0.0
    last = start

    def answered(seconds: float, fault: str) -> bool:
        nonlocal measured_from, cpu, last, refused
        now = time.perf_counter()
        if fault.startswith("503"):
            refused += 1
        elif fault:
            faults.append(fault)
            return False
        if measured_from:
            if not fault:
                times.append(seconds)
            last = now
        elif now - start >= load.warm_seconds:
            measured_from, cpu = now, time.process_time()
        return not measured_from or now - measured_from < load.seconds

    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Connection(source, answered), "127.0.0.1", load.port)
        for _ in range(load.connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in made))
    wall = max(last - measured_from, 1e-9)
    times.sort()
    return Done(
        len(times),
        wall,
        1000 * times[len(times) // 2] if times else 0.0,
        1000 * times[len(times) * 99 // 100] if times else 0.0,
        (time.process_time() - cpu) / wall,
        refused,
        faults,
        exhausted=wall < load.seconds * 0.98,
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(uvloop.run(_run(msgspec.json.decode(sys.stdin.buffer.read(), type=Load))))
    )
