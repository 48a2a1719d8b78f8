"""One asker over HTTP: a question, its time, its answer."""

import http.client
import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec


class Answer(NamedTuple):
    """What came back, and after how long."""

    figures: Any
    size: int
    effective: tuple[int, int]  # microseconds
    ms: float


class Asker:
    """A keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.connect()
        self._token = token

    def report(self, path: str, start_us: int, end_us: int) -> Answer:
        """A report; the time is that from the request's first byte to the answer's last."""
        headers = {"Authorization": f"Token {self._token}", "Content-Type": "application/json"}
        sent = body(start_us, end_us)
        began = time.perf_counter()
        self._connection.request("POST", path, sent, headers)
        response = self._connection.getresponse()
        received = response.read()
        ms = 1000 * (time.perf_counter() - began)
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {received[:500]!r}")
        start, _, end = response.headers["Sidedata-Effective-Interval"].partition("/")
        return Answer(msgspec.json.decode(received), len(received), (_us(start), _us(end)), ms)

    def ping(self) -> float:
        """Milliseconds of the least that can be asked."""
        began = time.perf_counter()
        self._connection.request("GET", "/livez")
        self._connection.getresponse().read()
        return 1000 * (time.perf_counter() - began)

    def text(self, path: str) -> str:
        """A page."""
        self._connection.request("GET", path, headers={"Authorization": f"Token {self._token}"})
        return self._connection.getresponse().read().decode()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def body(start_us: int, end_us: int) -> bytes:
    """The question."""
    return b'{"interval":{"start":"%s","end":"%s"}}' % (_text(start_us), _text(end_us))


def _text(at_us: int) -> bytes:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="microseconds").encode()


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * 1_000_000


def distinct_intervals(now_us: int, count: int) -> list[tuple[int, int]]:
    """About 30 days each, no two with the same effective interval: starts by the hour, ends by 5 minutes.

    They end in the last 45 hours and start within hours that are kept, so each has rims of hours and of 5 minutes.
    """
    hour, fine = 3_600_000_000, 300_000_000
    ends = 45 * 12
    first_end = now_us // fine * fine - (ends + 2) * fine
    first_start = now_us // hour * hour - 34 * 24 * hour
    starts = 5 * 24
    total = ends * starts
    found = []
    for number in range(count):
        place = number * 7919 % total  # 7919 is a prime that divides no such total: every pair once
        found.append((first_start + place % starts * hour, first_end + place // starts * fine))
    return found
