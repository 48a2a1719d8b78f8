"""E: what a consumer on redis-py and hiredis can do at all: it reads the stream, hands nothing on, and keeps nothing.

Prints entries a second. The faster of redis-py's two clients, the blocking one, reading 1,000 at once.
"""

import sys
import time

from redis import Redis

_AT_ONCE = 1_000


def _consume(url: str, stream: str, entries: int) -> float:
    client = Redis.from_url(url)
    client.ping()
    last: bytes = b"0-0"
    seen = 0
    start = time.perf_counter()
    while seen < entries:
        reply: list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]] = client.xread(  # type: ignore[assignment] # the stub covers both clients
            {stream: last}, count=_AT_ONCE, block=1000
        )
        read = reply[0][1]
        seen += len(read)
        last = read[-1][0]
    return entries / (time.perf_counter() - start)


if __name__ == "__main__":
    print(_consume(sys.argv[1], sys.argv[2], int(sys.argv[3])))
