"""From XADD until a poll sees it, while other events keep the worker at a given rate."""

import time
from datetime import UTC, datetime

from bench.asking import Asker
from bench.data import DAY_US
from bench.servers import BenchWorld
from bench.wire import Stream

_SETTLE_SECONDS = 5.0
_GIVE_UP_SECONDS = 30.0
_PROBE = "00000000-0000-4000-8000-00000000b0b0"


def latencies(world: BenchWorld, rate: float, probes: int) -> list[float]:
    """Measure probes, in milliseconds, while a feeder and a worker that are started here keep a partition busy."""
    world.sidedata("worker")
    _, port = world.serve()
    feed = world.python("bench.feed", world.url, 0, world.partitions, rate, "mix")
    found = probe_latencies(world, port, probes)
    world.stop(feed)
    return found


def probe_latencies(world: BenchWorld, port: int, probes: int) -> list[float]:
    """Measure probes, in milliseconds: `workflow_started` events, because their count is exact."""
    names = world.names(0)
    asker = Asker(port, world.token())
    stream = Stream(world.url)
    path = f"/api/reporting/workflow/v1/orgs/{names.organization}/workflows/{_PROBE}/sidedata/"
    _probe(stream, names.organization)
    time.sleep(_SETTLE_SECONDS)
    found = []
    for number in range(2, probes + 2):
        start = time.perf_counter()
        _probe(stream, names.organization)
        while _started(asker, path) < number:
            if time.perf_counter() - start > _GIVE_UP_SECONDS:
                raise TimeoutError("an event was not seen in time: the load is more than the worker can take")
            time.sleep(0.002)
        found.append(1000 * (time.perf_counter() - start))
        time.sleep(0.003 * (number % 10))  # out of step with the feeder
    asker.close()
    return found


def _probe(stream: Stream, organization: str) -> None:
    at = datetime.now(UTC).isoformat()
    event = (
        f'{{"type":"workflow_started","organization_id":"{organization}","workflow_id":"{_PROBE}",'
        f'"visitor_id":"probe","session_id":"probe","timestamp":"{at}"}}'
    )
    stream.add(0, "event", [event.encode()])


def _started(asker: Asker, path: str) -> int:
    now = time.time_ns() // 1000
    return int(asker.report(path, now - DAY_US, now + DAY_US).figures["started_workflows_count"])
