"""A producer as the contract wants it: batches with ids, sent again until they are known to be in.

Events without ids, and bad ones, can't be sent twice safely, so they are sent while no scene touches Redis.
"""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sidedata.errors import StoreUnavailableError
from sidedata.schema import keys
from sidedata.schema.keys import keyspace
from sidedata.writes.append import append
from tests.support.events import PURCHASED, as_array, bought, event
from tests.support.redis.client import Client
from tests.torture.harness import PARTITIONS, Stage

ORGANIZATIONS = {
    "aaaaaaaa-0000-4000-8000-000000000000": "Asia/Kolkata",
    "aaaaaaaa-0000-4000-8000-000000000001": "Europe/Helsinki",
    "aaaaaaaa-0000-4000-8000-000000000003": "America/St_Johns",
}
PAGES = "bbbbbbbb-0000-4000-8000-000000000000"
POPUPS = ["bbbbbbbb-0000-4000-8000-000000000002", "bbbbbbbb-0000-4000-8000-000000000003"]
GOALS = [str(UUID(int=0xC0DE << 96 | n)) for n in range(3)]
_BAD = [b"{", b"7", b"\xff", b"{}"]
_BACKLOG = 100_000


class Producer:
    """Sends random traffic and keeps what it has sent, for the oracle."""

    def __init__(self, client: Client, stage: Stage, seed: int) -> None:
        self.sent: list[tuple[int, bytes]] = []  # partition and event, each once, however often it was sent
        self.retries = 0
        self._client = client
        self._stage = stage
        self._random = random.Random(f"producer {seed}")
        self._seed = seed
        self._count = 0
        self._batches: list[tuple[int, list[bytes]]] = []

    async def run(self, stop: asyncio.Event, *, pause: float) -> None:
        """Send batch after batch."""
        while not stop.is_set():
            await self.step()
            await asyncio.sleep(pause * self._random.random() * 2)

    async def step(self) -> None:
        """One batch of one organization, of one of three kinds."""
        organization = self._random.choice(list(ORGANIZATIONS))
        partition = keys.partition_of(organization, PARTITIONS)
        dice = self._random.random()
        if dice < 0.15 and self._batches:
            await self._send(*self._random.choice(self._batches))  # again, though it is in already
        elif dice < 0.5:
            await self._send_once(organization, partition)
        else:
            raws = [self._event(organization, known=True) for _ in range(self._random.randint(1, 30))]
            self.sent += [(partition, raw) for raw in raws]
            self._batches.append((partition, raws))
            await self._send(partition, raws)

    async def _send(self, partition: int, raws: list[bytes]) -> None:
        while True:
            try:
                await append(self._client, keyspace(partition), raws, _BACKLOG)
            except StoreUnavailableError:
                self.retries += 1
                await asyncio.sleep(0.05)
            else:
                return

    async def _send_once(self, organization: str, partition: int) -> None:
        raws = [self._event(organization, known=False) for _ in range(self._random.randint(1, 8))]
        single = self._random.choice(_BAD[:3])
        raws.append(_BAD[3])
        self._random.shuffle(raws)
        async with self._stage.redis_whole:
            # A connection of before the last crash is found out by this.
            await self._client.ping()
            stream = keys.keyspace(partition).events
            await self._client.xadd(stream, {"events": as_array(raws)})
            await self._client.xadd(stream, {"event": single})
        self.sent += [(partition, raw) for raw in (*raws, single)]

    def _event(self, organization: str, *, known: bool) -> bytes:
        choose = self._random
        self._count += 1
        age = choose.choice(
            [choose.uniform(0, 300), choose.uniform(0, 90_000), choose.uniform(86_000, 86_800), choose.uniform(0, 3e6)]
        )
        at = datetime.now(UTC) - timedelta(seconds=age)
        fields: dict[str, object] = {"id": f"{self._seed}/{self._count}"} if known else {}
        fields |= {"organization_id": organization, "session": f"s{choose.randint(0, 60)}"}
        visitor = f"v{choose.randint(0, 40)}"
        kind = choose.choice(["page_view", "workflow_started", "interaction", "goal_triggered", "goal", "bought"])
        if kind == "bought":
            cents = str(choose.choice(["0.1", '"0.2"', "19.99", "999999999999.9999", f"{choose.randint(1, 9999)}.01"]))
            return bought(at, cents, choose.choice(["EUR", "USD"]), visitor=visitor, **fields)
        goal = {"uuid": choose.choice(GOALS), "name": choose.choice([PURCHASED, "Cart", "Ärger"])}
        if kind == "goal":
            return event("goal_reached", at, visitor=visitor, goal=goal, **fields)
        fields["workflow"] = PAGES if kind == "page_view" else choose.choice(POPUPS)
        if kind == "goal_triggered":
            fields["goal"] = goal
        return event(kind, at, visitor=visitor, **fields)
