"""The measurements on the 5,000,000 events: memory, accuracy, peers."""

from bench.accuracy import accuracy
from bench.data import PAGE_VIEW
from bench.datasets import INTERACTION_PARTITION, MARKET_PARTITION, PAGES_PARTITION, busy_history, compact, load, market
from bench.figures import Table
from bench.memory import Memory
from bench.peers import Peers
from bench.servers import BenchWorld


def run(*, quick: bool) -> list[Table]:
    """Load once; then each in turn."""
    made = market(quick=quick)
    count = len(made.events.at_us)
    with BenchWorld() as world:
        names = world.names(MARKET_PARTITION)
        memory = Memory(world)
        seconds, first = 0.0, 0
        for share in (0.02, 0.2, 1.0):
            last = int(count * share)
            seconds += load(world, names, [made.events.part(first, last)], first_id=first)
            memory.ids(MARKET_PARTITION, last)
            first = last
        print(f"  {seconds:.0f} s for all; {(made.events.types == PAGE_VIEW).mean():.0%} page views", flush=True)
        peers = Peers(world, made, seconds, quick=quick).run()
        rows = accuracy(world, made, quick=quick)
        compact(world, names)
        memory.workflow("median workflow of the 5,000,000 events", names, made.median, 0.3)
        memory.workflow("busiest workflow of the 5,000,000 events", names, made.busiest, None)
        memory.service(names)
        for kind, partition in (("page_navigation", PAGES_PARTITION), ("interaction", INTERACTION_PARTITION)):
            load(world, world.names(partition), busy_history(kind, quick=quick)[1:])
            words = kind.replace("_", " ")
            memory.workflow(f"busy workflow, {words}, all hours dense", world.names(partition), 0, None)
            compact(world, world.names(partition))
            memory.workflow(f"busy workflow, {words}", world.names(partition), 0, 4.0)
        return [peers, memory.table, rows]
