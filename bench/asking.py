"""One asker over HTTP: a question, its time, its answer."""

import socket
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec


class TimedAnswer(NamedTuple):
    """A response, and the time that it took."""

    figures: Any
    size: int
    effective: tuple[int, int]  # microseconds
    ms: float


class OverloadError(Exception):
    """503: ask again in a moment."""


class Asker:
    """A keep-alive connection. Questions are ready bytes before the clock starts: a client's own work is not in the time."""

    def __init__(self, port: int, token: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._token = token.encode()

    def _exchange(self, request: bytes) -> tuple[bytes, bytes, float]:
        """Head and body that come back, and after how many milliseconds."""
        start = time.perf_counter()
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        head = received[:end]
        index = head.index(b"Content-Length: ") + 16
        length = int(head[index:].partition(b"\r")[0])
        while len(received) < end + 4 + length:
            received += self._more()
        return head, received[end + 4 :], 1000 * (time.perf_counter() - start)

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server hung up")
        return data

    def report(self, path: str, start_us: int, end_us: int) -> TimedAnswer:
        """A report; the time is that from the request's first byte to the answer's last.

        Raises:
            OverloadError: it could not be had in time; what was read of it is kept.
        """
        return self.answer(path, body(start_us, end_us))

    def answer(self, path: str, sent: bytes) -> TimedAnswer:
        """The answer to a body, like a report.

        Raises:
            OverloadError: it could not be had in time; what was read of it is kept.
        """
        head, received, ms = self._exchange(
            b"POST %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Token %s\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (path.encode(), self._token, len(sent), sent)
        )
        if head[9:12] == b"503":
            raise OverloadError(received.decode())
        if head[9:12] != b"200":
            raise RuntimeError(f"{head!r}: {received[:500]!r}")
        effective = head[head.index(b"Sidedata-Effective-Interval: ") + 29 :].partition(b"\r")[0].decode()
        start, _, end = effective.partition("/")
        return TimedAnswer(msgspec.json.decode(received), len(received), (_us(start), _us(end)), ms)

    def patient_report(self, path: str, start_us: int, end_us: int) -> TimedAnswer:
        """The report, asked for as often as it takes; the time is that of the last."""
        for _ in range(100):
            try:
                return self.report(path, start_us, end_us)
            except OverloadError:
                continue
        return self.report(path, start_us, end_us)

    def ping(self) -> float:
        """Milliseconds of the least that can be asked."""
        return self._exchange(b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n")[2]

    def text(self, path: str) -> str:
        """A page."""
        request = b"GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Token %s\r\n\r\n"
        return self._exchange(request % (path.encode(), self._token))[1].decode()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def body(start_us: int, end_us: int, **more: object) -> bytes:
    """The question, with more fields beside the interval."""
    rest = b"".join(b',"%s":%s' % (name.encode(), msgspec.json.encode(value)) for name, value in more.items())
    return b'{"interval":{"start":"%s","end":"%s"}%s}' % (_text(start_us), _text(end_us), rest)


def _text(at_us: int) -> bytes:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="microseconds").encode()


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


def distinct_intervals(now_us: int, count: int) -> list[tuple[int, int]]:
    """About 30 days each, no two with the same effective interval: starts by the hour, ends by 5 minutes.

    They end in the last 45 hours and start within hours that are kept, so each has edges of hours and of 5 minutes.
    """
    hour, five_minutes = 3_600_000_000, 300_000_000
    ends = 45 * 12
    first_end = now_us // five_minutes * five_minutes - (ends + 2) * five_minutes
    first_start = now_us // hour * hour - 34 * 24 * hour
    starts = 5 * 24
    total = ends * starts
    found = []
    for number in range(count):
        index = number * 7919 % total  # 7919 is a prime that divides no such total: every pair once
        found.append((first_start + index % starts * hour, first_end + index // starts * five_minutes))
    return found
