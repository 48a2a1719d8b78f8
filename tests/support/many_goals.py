"""A workflow with thousands of goals over many days, written into Redis as its owner's commits would have left it."""

import uuid
from datetime import UTC, datetime, timedelta

from sidedata.schema.counts import goal_field, goal_sketch
from sidedata.schema.installation import Installation
from tests.support.redis.client import Client

_AT_ONCE = 500
_DAY_SECONDS = 86_400


def goal_id(number: int) -> str:
    """The id of a goal."""
    return str(uuid.UUID(int=(0x4444 << 112) | number))


async def write_many_goals(
    client: Client, installation: Installation, organization: str, workflow: str, *, goals: int, days: int, visitors: int = 3
) -> None:
    """Write `days` whole days before today, UTC; each goal is triggered once by each of some visitors on each day."""
    space = installation.keyspace_of(organization)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(1, days + 1):
        start = int((midnight - timedelta(days=ago)).timestamp())
        bucket = space.bucket(organization, workflow, "day", start)
        names = [goal_field("triggered", goal_id(number)) for number in range(goals)]
        for first in range(0, goals, _AT_ONCE):
            pipe = client.raw.pipeline(transaction=False)
            for number, name in enumerate(names[first : first + _AT_ONCE], first):
                seen = [f"v{(number * 7 + ago * 13 + visitor) % 50_000}" for visitor in range(visitors)]
                pipe.pfadd(bucket + goal_sketch(name, "visitors"), *seen)
                pipe.pfadd(bucket + goal_sketch(name, "sessions"), *seen)
            await pipe.execute()
        await client.raw.hset(f"{bucket}counts", mapping={"started": 1, **dict.fromkeys(names, visitors)})
        await client.raw.pfadd(f"{bucket}visitors", "v1")
    pipe = client.raw.pipeline(transaction=False)
    for number in range(goals):
        pipe.set(space.goal(organization, goal_id(number)), f"1 Goal {number}")
    pipe.hset(
        space.workflow(organization, workflow),
        mapping={"kind": "interaction", "revision": 1, "fence": 1, "changes_from": 1},
    )
    await pipe.execute()
