"""A producer of its own process: single entries at an even rate, stamped now, until it is ended.

`python -m bench.feed URL PARTITION PARTITIONS RATE KIND`: PARTITION is a number, or `all` to take turns. KIND is `page_navigation`
or `interaction` for the busy workflow, `mix` for all of them.
"""

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bench.data import DAY_US, busy, mix
from bench.wire import Names, Stream

_TICK_SECONDS = 0.01
_TEMPLATES = 20_000
_FEWEST_TEMPLATES = 2_000


def _feed(url: str, all_names: Sequence[Names], rate: float, kind: str) -> None:
    now_us = time.time_ns() // 1000
    seed = now_us % 1_000_003
    count = max(_TEMPLATES // len(all_names), _FEWEST_TEMPLATES)
    span = now_us - DAY_US, now_us
    events = mix(seed, count, 100_000, *span) if kind == "mix" else busy(seed, kind, *span, 6_000).part(0, count)
    sources = [_again_and_again([template.encode() for template in names.templates(events)]) for names in all_names]
    turns = itertools.cycle(range(len(all_names)))
    stream = Stream(url)
    run = time.time_ns()
    start = time.perf_counter()
    sent = 0
    while True:
        due = int((time.perf_counter() - start) * rate)
        if due > sent:
            at = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
            lines: dict[int, list[bytes]] = {}
            for number, turn in zip(range(sent, due), turns, strict=False):
                line = b'%s,"id":"%x-%d","timestamp":"%s"}' % (next(sources[turn]), run, number, at)
                lines.setdefault(all_names[turn].partition, []).append(line)
            stream.add_singles(lines)
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
    partitions = int(sys.argv[3])
    numbers = range(partitions) if sys.argv[2] == "all" else [int(sys.argv[2])]
    _feed(sys.argv[1], [Names(number, partitions) for number in numbers], float(sys.argv[4]), sys.argv[5])
