"""A workflow with thousands of goals over many days, written into Redis as its owner's commits would have left it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Final

from sidedata.schema.installation import Installation
from tests.support.redis.client import Client

_SKETCHES: Final = 40
# KEYS 1 to n: sketches. ARGV: a bucket, then ids of goals; each gets two of the sketches, and three events.
_WRITE: Final = """
local bucket = ARGV[1]
for place = 2, #ARGV do
  local name = 'triggered:' .. ARGV[place]
  local sketch = redis.call('GET', KEYS[place % #KEYS + 1])
  redis.call('SET', bucket .. name .. ':visitors', sketch)
  redis.call('SET', bucket .. name .. ':sessions', sketch)
  redis.call('HSET', bucket .. 'counts', name, 3)
end
redis.call('SET', bucket .. 'visitors', redis.call('GET', KEYS[1]))
redis.call('HSET', bucket .. 'counts', 'started', 1)
"""


def goal_id(number: int) -> str:
    """The id of a goal."""
    return str(uuid.UUID(int=(0x44444444 << 96) | number))


async def write_many_goals(
    client: Client, installation: Installation, organization: str, workflow: str, *, goals: int, days: int
) -> None:
    """Write `days` whole days before today, UTC; each goal is triggered three times on each, by three visitors."""
    space = installation.keyspace_of(organization)
    sketches = [f"{space.prefix}sketch:{number}" for number in range(_SKETCHES)]
    for number, name in enumerate(sketches):
        await client.raw.pfadd(name, *(f"v{number * 3 + seen}" for seen in range(3)))
    ids = [goal_id(number) for number in range(goals)]
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(1, days + 1):
        start = int((midnight - timedelta(days=ago)).timestamp())
        bucket = space.bucket(organization, workflow, "day", start)
        await client.raw.eval(_WRITE, len(sketches), *sketches, bucket, *ids)
    await client.raw.mset({space.goal(organization, goal): f"1 Goal {goal}" for goal in ids})
    record = {"kind": "interaction", "revision": 1, "fence": 1, "changes_from": 1}
    await client.raw.hset(space.workflow(organization, workflow), mapping=record)
    await client.raw.delete(*sketches)
