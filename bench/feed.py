"""A producer of its own process: single entries at an even rate, stamped now, until it is ended.

`python -m bench.feed URL PARTITION PARTITIONS RATE KIND`: KIND is `page_navigation` or `interaction` for the busy workflow,
`mix` for all of them.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.data import DAY_US, busy, mix
from bench.wire import Names, Stream

_TICK_SECONDS = 0.01
_TEMPLATES = 20_000


def _feed(url: str, names: Names, rate: float, kind: str) -> None:
    now_us = time.time_ns() // 1000
    seed = now_us % 1_000_003
    if kind == "mix":
        events = mix(seed, _TEMPLATES, 100_000, now_us - DAY_US, now_us)
    else:
        events = busy(seed, kind, now_us - DAY_US, now_us, 6_000)
    templates = _again_and_again([template.encode() for template in names.templates(events.part(0, _TEMPLATES))])
    stream = Stream(url)
    run = time.time_ns()
    start = time.perf_counter()
    sent = 0
    while True:
        due = int((time.perf_counter() - start) * rate)
        if due > sent:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
            stream.add(
                names.partition,
                "event",
                [
                    b'%s,"id":"%x-%d","timestamp":"%s"}' % (template, run, number, at)
                    for number, template in zip(range(sent, due), templates, strict=False)
                ],
            )
            sent = due
        time.sleep(_TICK_SECONDS)


def _again_and_again(templates: list[bytes]) -> Iterator[bytes]:
    """Each time of other visitors: those who bought something every two seconds would be remembered for more and more goals."""
    yield from templates
    for turn in itertools.count(1):
        for template in templates:
            yield template.replace(b'"visitor_id":"v', b'"visitor_id":"v%d.' % turn).replace(
                b'"session_id":"s', b'"session_id":"s%d.' % turn
            )


if __name__ == "__main__":
    _feed(sys.argv[1], Names(int(sys.argv[2]), int(sys.argv[3])), float(sys.argv[4]), sys.argv[5])
