"""After the torture: every answer is the oracle's, every dead letter is there once, and no key is left over."""

from collections import Counter
from datetime import timedelta

from sidedata.schema import keys
from tests.support.oracle.compare import Tally, compare
from tests.support.oracle.oracle import Oracle, UnknownWorkflowError
from tests.support.pipeline import Pipeline
from tests.support.repository.key_table import ENDLESS, TYPES, table
from tests.torture.harness import PARTITIONS, TortureError
from tests.torture.producer import ORGANIZATIONS, PAGES, POPUPS, Producer

_AGES = [timedelta(minutes=20), timedelta(hours=3), timedelta(days=2), timedelta(days=30), timedelta(days=60)]


async def oracle_of(pipe: Pipeline, producer: Producer) -> Oracle:
    """An oracle to whom everything happened once."""
    oracle = Oracle(zones=dict(ORGANIZATIONS), partitions=PARTITIONS)
    now = await pipe.now()
    for place, (partition, raw) in enumerate(producer.sent):
        oracle.arrive(raw, partition=partition, entry_ms=int(now.timestamp() * 1000), entry=str(place), now=now)
    return oracle


async def differences(pipe: Pipeline, oracle: Oracle, tally: Tally) -> list[str]:
    """Where the service's answers aren't the oracle's."""
    found: list[str] = []
    for organization in ORGANIZATIONS:
        for workflow in (PAGES, *POPUPS):
            for age in _AGES:
                now = await pipe.now()
                reply = await pipe.ask(workflow, (now - age).isoformat(), now.isoformat(), organization)
                try:
                    expected, _ = oracle.answer(organization, workflow, now - age, now, now)
                    assert reply.status == 200, reply.text
                    compare(reply.json, expected, tally)
                except UnknownWorkflowError:
                    if reply.status != 404:
                        found.append(f"{organization} {workflow}: {reply.status} for a workflow without events")
                except AssertionError as error:
                    found.append(f"{organization} {workflow} of {age}: {error}")
    return found


async def leftovers(pipe: Pipeline, oracle: Oracle) -> list[str]:
    """Entries not applied, letters that are missing or doubled, keys of no row or with no end."""
    found: list[str] = []
    letters: Counter[tuple[str, bytes]] = Counter()
    for partition in range(PARTITIONS):
        if waiting := await pipe.client.xlen(keys.keyspace(partition).events):
            found.append(f"{waiting} entries left in partition {partition}")
        rows = await pipe.client.xrange(keys.keyspace(partition).dead)
        letters.update((fields[b"reason"].decode(), fields[b"event"]) for _, fields in rows)
        applied = int(await pipe.client.hget(keys.keyspace(partition).cursor, "events") or 0)
        due = sum(keys.partition_of(event.organization, PARTITIONS) == partition for event in oracle.events)
        if applied != due:
            found.append(f"partition {partition} counts {applied} events instead of {due}")
    if letters != Counter(oracle.dead):
        found.append(f"letters: {letters - Counter(oracle.dead)} too many, {Counter(oracle.dead) - letters} missing")
    known = table()
    async for raw in pipe.client.scan_iter(count=1_000):
        key = raw.decode()
        matching = [row for row in known if row.matches(key)]
        if len(matching) != 1:
            found.append(f"{key} is of no row of the table of keys")
            continue
        ttl = await pipe.client.ttl(key)
        if ttl != -2 and (ttl == -1) != (matching[0].pattern in ENDLESS):
            found.append(f"{key} has a TTL of {ttl}")
        kind = (await pipe.client.type(key)).decode()
        if kind not in ("none", TYPES[matching[0].type]):
            found.append(f"{key} is a {kind}")
    return found


async def judge(pipe: Pipeline, producer: Producer, fresh: Pipeline) -> Tally:
    """Hold both services against the oracle: one that was asked all the time, and one that knows nothing yet.

    Raises:
        TortureError: something was lost, doubled, or left over.
    """
    oracle = await oracle_of(pipe, producer)
    tally = Tally()
    found = await leftovers(pipe, oracle)
    found += [f"(asked before) {line}" for line in await differences(pipe, oracle, tally)]
    found += await differences(fresh, oracle, tally)
    if not tally.nine_in_ten():
        found.append(f"of {tally.small} small counts only {tally.exact} are exact")
    if found:
        raise TortureError(f"{len(found)} differences:\n" + "\n".join(line[:600] for line in found[:20]))
    return tally
