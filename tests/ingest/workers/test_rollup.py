"""The roll-up of additions: neither the cache of buckets nor a coarser finest bucket changes an operation."""

import random
from collections import defaultdict

import pytest

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.zones import DAY_SECONDS, HOUR_SECONDS, zone
from sidedata.events.decode import Kind
from sidedata.events.hashing import Hasher
from sidedata.ingest.apply.bucket_delta import BucketDelta
from sidedata.ingest.apply.rollup import RollUp
from sidedata.ingest.organizations.organization import FinestBucket, Organization, Workflow
from sidedata.operations import Operations
from sidedata.schema.keys import keyspace
from tests.support.constants import ORG
from tests.support.events import PAGES

START = 1_790_000_000
RETENTION = Retention(
    five_minutes=48 * HOUR_SECONDS, hour=35 * DAY_SECONDS, day=400 * DAY_SECONDS, late=48 * HOUR_SECONDS
)
KINDS: tuple[Kind, ...] = ("page_navigation", "interaction")
Sets = dict[tuple[str, ...], set[str]]


def new_workflow() -> Workflow:
    """A workflow of an organization that nothing is cached of."""
    organization = Organization(
        ORG, keyspace(0), zone("Asia/Kathmandu"), None, 0, Hasher("a secret of sixteen"), has_events=True
    )
    return organization.workflow(PAGES)


def additions(
    dice: random.Random, workflow: Workflow, roll_up: RollUp, kind: Kind, now: int, *, coarse: bool
) -> dict[FinestBucket, BucketDelta]:
    """Gather some events of many ages, in the finest buckets by the roll-up or, unless `coarse`, by 5 minutes."""
    deltas: dict[FinestBucket, BucketDelta] = {}
    for _ in range(dice.randrange(1, 30)):
        age = dice.choice((HOUR_SECONDS, 3 * DAY_SECONDS, 40 * DAY_SECONDS, 402 * DAY_SECONDS))
        slot = workflow.organization.slots.at(now - dice.randrange(age))
        bucket = roll_up.finest_bucket(workflow, slot, kind) if coarse else workflow.finest_bucket(slot)
        delta = deltas.setdefault(bucket, BucketDelta())
        visitor, session = f"v{dice.randrange(20)}", f"s{dice.randrange(40)}"
        delta.visitors.add(visitor)
        if kind == "page_navigation":
            delta.sessions.add(session)
        elif dice.random() < 0.5:
            delta.count("started")
        else:
            delta.count_goal("triggered", f"g{dice.randrange(2)}", visitor, session)
    return deltas


def written(operations: Operations) -> tuple[Sets, dict[tuple[str, str], int], dict[str, int]]:
    """The content of operations: elements by sketch and field of its number, sums by key and field, expiries by key."""
    steps, at = operations.steps(), 0
    sets: Sets = defaultdict(set)
    sums: dict[tuple[str, str], int] = defaultdict(int)
    key = dict(enumerate(operations.keys, 5))
    while at < len(steps):
        name, at = steps[at], at + 1
        if name in ("sketch", "increment"):
            base, at = int(steps[at]), at + 1
        if name == "sketch":
            elements = steps[at + 1 : at + 1 + int(steps[at])]
            at += 1 + len(elements)
            targets = steps[at + 1 : at + 1 + int(steps[at])]
            at += 1 + len(targets)
            for first in range(0, len(targets), 4):
                sketch, _, counts, field = targets[first : first + 4]
                count_key = key[base + int(counts)] if counts else ""
                sets[key[base + int(sketch)], count_key, str(field)] |= set(map(str, elements))
        elif name == "increment":
            targets = steps[at + 1 : at + 1 + int(steps[at])]
            at += 1 + len(targets)
            fields = steps[at + 1 : at + 1 + int(steps[at])]
            at += 1 + len(fields)
            for target in targets[::2]:
                for field, by in zip(fields[::2], fields[1::2], strict=True):
                    sums[key[base + int(target)], str(field)] += int(by)
        else:
            # change_workflow has its changes at the end, list_workflows its pairs.
            size = at + 6 if name == "change_workflow" else at + 1
            at = size + 1 + int(steps[size])
    return sets, sums, operations.new_expiries


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_cached_buckets_are_written_as_new_ones(kind: Kind, seed: int) -> None:
    """Over 60 days of batches, in which 5 minutes and hours leave their retention, operations are those of an empty cache."""
    cached, now = new_workflow(), START
    for batch in range(120):
        outcomes = []
        for workflow in (cached, new_workflow()):
            dice = random.Random(f"{seed} {batch}")
            operations = Operations(keyspace(0), now, {})
            roll_up = RollUp(operations, RETENTION, now)
            deltas = additions(dice, workflow, roll_up, kind, now, coarse=True)
            roll_up.write(workflow, kind, list(deltas.items()))
            outcomes.append((operations.keys, operations.steps(), operations.hours, operations.new_expiries))
        assert outcomes[0] == outcomes[1]
        now += random.Random(batch).choice((300, HOUR_SECONDS, DAY_SECONDS))


@pytest.mark.parametrize("kind", KINDS)
def test_coarse_buckets_hold_the_same(kind: Kind) -> None:
    """Events that are gathered by the hour or the day are written as if each were gathered in its 5 minutes."""
    levels: set[Level] = set()
    for seed in range(50):
        found = []
        for coarse in (True, False):
            operations = Operations(keyspace(0), START, {})
            workflow, roll_up = new_workflow(), RollUp(operations, RETENTION, START)
            deltas = additions(random.Random(seed), workflow, roll_up, kind, START, coarse=coarse)
            roll_up.write(workflow, kind, list(deltas.items()))
            levels |= {bucket.level for bucket in deltas}
            found.append(written(operations))
        assert found[0] == found[1]
    assert levels == ({"5min", "hour"} if kind == "page_navigation" else {"5min", "hour", "day"})


@pytest.mark.parametrize("kind", KINDS)
def test_settled_buckets_are_written_as_others(kind: Kind) -> None:
    """Live batches whose buckets have their expiries already are written as by an owner that has made no steps before."""
    settled, known, now, made = new_workflow(), dict[str, int](), START, 0
    for batch in range(900):
        outcomes = []
        for workflow in (settled, new_workflow()):
            dice = random.Random(batch)
            operations = Operations(keyspace(0), now, known)
            roll_up = RollUp(operations, RETENTION, now)
            # Few slots, so that each is seen again and again until 5 minutes or hours are kept no longer.
            second = dice.choice((now, now - dice.randrange(50 * HOUR_SECONDS), START))
            slot = workflow.organization.slots.at(second - second % (6 * HOUR_SECONDS))
            coarse = dice.random() < 0.5
            finest = roll_up.finest_bucket(workflow, slot, kind) if coarse else workflow.finest_bucket(slot)
            delta = BucketDelta()
            if dice.random() < 0.9:
                delta.visitors |= {f"v{dice.randrange(9)}", "v"}
            if kind == "page_navigation":
                delta.sessions.add(f"s{dice.randrange(9)}")
            elif dice.random() < 0.5:
                delta.count("started")
            elif dice.random() < 0.5:
                delta.count_goal("triggered", "g", "v", "s")
            roll_up.write(workflow, kind, [(finest, delta)])
            hours = [operations.keys[int(at) - 5] if type(at) is int else at for at in operations.hours]
            changes = [step for step in operations.steps() if str(step).startswith(("5min:", "hour:", "day:"))]
            outcomes.append((*written(operations), hours, changes))
            made += finest.settled_until > now
        assert outcomes[0] == outcomes[1]
        known |= outcomes[0][2]
        now += random.Random(batch).choice((1, 300, HOUR_SECONDS // 3, 6 * HOUR_SECONDS))
    assert made > 200
