"""Random worlds that happen to the pipeline and to the oracle, and the comparison of their answers."""

import asyncio
import gc
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from hypothesis import given, settings

from sidedata.schema import keys
from tests.support.oracle.compare import Tally, compare
from tests.support.oracle.oracle import BadIntervalError, Oracle, UnknownWorkflowError
from tests.support.oracle.worlds import Batch, ExampleWorld, Question, worlds
from tests.support.pipeline import Pipeline, ReportReply, pipeline
from tests.support.redis.cluster import Cluster
from tests.support.redis.servers import RedisServer


@dataclass
class Replay:
    """A world that happens to the pipeline and, one by one, to an oracle."""

    pipe: Pipeline
    world: ExampleWorld
    tally: Tally

    async def run(self) -> None:
        """From the registrations to the last answer; after every pass of the worker some questions are asked."""
        world, pipe = self.world, self.pipe
        oracle = Oracle(zones=dict(world.zones), kinds=dict(world.registered), partitions=world.partitions)
        for organization, zone in world.zones.items():
            await pipe.organization(zone, organization)
        for (organization, workflow), kind in world.registered.items():
            await pipe.workflow(workflow, kind, organization)
        for n, batch in enumerate(world.batches):
            await self.push(batch, oracle)
            if batch.batch_events is not None:
                await pipe.drain(batch_events=batch.batch_events)
                await self.ask(oracle, world.questions[n % 3 :: 3])
        await pipe.drain()
        await self.ask(oracle, world.questions)
        await self.look_at_letters(oracle)

    async def push(self, batch: Batch, oracle: Oracle) -> None:
        """Entries into the stream, and their events to the oracle."""
        partition = (self.pipe.partition(batch.organization) + batch.partition_shift) % self.world.partitions
        ids = await self.pipe.push(*batch.entries, partition=partition)
        now = await self.pipe.now()
        for entry_id, entry in zip(ids, batch.entries, strict=True):
            for place, raw in enumerate([entry] if isinstance(entry, bytes) else entry):
                entry_ms = int(entry_id.partition("-")[0])
                oracle.arrive(raw, partition=partition, entry_ms=entry_ms, entry=f"{entry_id}/{place}", now=now)

    async def ask(self, oracle: Oracle, questions: list[Question]) -> None:
        """Ask the service and the oracle."""
        for question in questions:
            organization, workflow, start, end = question
            before = await self.pipe.now()
            reply = await self.pipe.ask(workflow, start, end, organization)
            try:
                check(oracle, question, reply, before, self.tally)
            except AssertionError:
                # An age may have passed a limit while the question was on its way.
                check(oracle, question, reply, await self.pipe.now(), self.tally)

    async def look_at_letters(self, oracle: Oracle) -> None:
        """Dead letters: the same reasons and bytes, each as often."""
        letters: Counter[tuple[str, bytes]] = Counter()
        for partition in range(self.world.partitions):
            rows = await self.pipe.client.xrange(keys.keyspace(partition).dead)
            letters.update((fields[b"reason"].decode(), fields[b"event"]) for _, fields in rows)
        assert letters == Counter(oracle.dead)


def check(oracle: Oracle, question: Question, reply: ReportReply, now: datetime, tally: Tally) -> None:
    """One answer against the oracle's, had it been asked at `now`."""
    organization, workflow, start, end = question
    try:
        expected, effective = oracle.answer(
            organization, workflow, datetime.fromisoformat(start), datetime.fromisoformat(end), now
        )
    except UnknownWorkflowError:
        assert reply.status in {400, 404}  # which of two faults is named first is open
    except BadIntervalError:
        assert reply.status == 400
    else:
        assert reply.status == 200, reply.text
        assert reply.effective == effective
        compare(reply.json, expected, tally)


async def example(url: str, world: ExampleWorld, tally: Tally) -> None:
    """One world from beginning to end."""
    async with pipeline(url, partitions=world.partitions) as pipe:
        await Replay(pipe, world, tally).run()


def run(server: RedisServer | Cluster, examples: int) -> None:
    """Compare that number of worlds, and the share of exact small counts over all of them.

    The first that Hypothesis draws is next to empty: of two, nothing may be left to compare, of six at least 26 counts were.
    """
    tally = Tally()

    @settings(max_examples=examples)
    @given(world=worlds())
    def compared(world: ExampleWorld) -> None:
        # What Hypothesis remembers grows: looking through all of it for garbage takes longer in the end than an answer may.
        gc.collect()
        gc.freeze()
        server.flush()
        asyncio.run(example(server.url, world, tally))

    try:
        compared()
    finally:
        gc.unfreeze()
    assert tally.nine_in_ten(), tally
    assert tally.small > examples, "hardly anything was compared"
