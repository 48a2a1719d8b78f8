"""A worker's partition: when it is maintained."""

from typing import cast

from sidedata.ingest.apply.partition import Partition
from sidedata.ingest.compaction.compaction import Compaction
from sidedata.ingest.worker.assignment import Assignment


async def test_a_partition_is_maintained_at_once_and_then_every_other_second() -> None:
    """Ticks of half a second maintain a new partition with the first one and with every fourth one after it."""
    assignment = Assignment(cast("Partition", None), cast("Compaction", None))
    assert [assignment.take_maintenance_turn(tick / 2) for tick in range(9)] == [tick % 4 == 0 for tick in range(9)]
