"""Random worlds for the property tests: organizations in zones, their events in entries and batches, and questions.

Instants cluster around a few centers, most of them where things change: now, the edges of retention, clock changes,
midnights; and stand 24 hours apart more often than chance would have it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.support.events import PURCHASED, event
from tests.support.oracle.local_time import day_around

NOW = datetime.now(UTC)
ZONES = [
    "UTC",
    "Europe/Helsinki",
    "Asia/Kolkata",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
]
ORGANIZATIONS = [f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in range(6)]
WORKFLOWS = [f"bbbbbbbb-0000-4000-8000-00000000000{n}" for n in range(4)]  # the first two for pages
GOALS = [f"cccccccc-0000-4000-8000-00000000000{n}" for n in range(3)]
NAMES = [PURCHASED, PURCHASED, "Cart", "Ärger", "\U0001f600"]
AMOUNTS = ["0", "0.1", '"0.2"', "19.99", "1000000000000", '"999999999999.9999"', "1.50000"]
BAD = [
    b"{",
    b"[]",
    b"\xff",
    b"x" * 16_385,
    event("page_view", NOW),
    event("page_view", "2024-01-01T00:00:00", workflow=WORKFLOWS[0]),
    event("page_view", NOW - timedelta(days=403), workflow=WORKFLOWS[0]),
    event("interaction", NOW + timedelta(days=2), workflow=WORKFLOWS[2]),
]
DAY = timedelta(days=1)
OLDEST = timedelta(days=390)
Question = tuple[str, str, str, str]  # organization, workflow, start, end


@dataclass(frozen=True)
class Batch:
    """Entries that are pushed one after the other, then applied, with that number of events a commit, or left for later."""

    organization: str
    entries: list[bytes | list[bytes]]
    partition_shift: int  # 0, or to a partition where they don't belong
    batch_events: int | None


@dataclass(frozen=True)
class ExampleWorld:
    """One example."""

    partitions: int
    zones: dict[str, str]
    registered: dict[tuple[str, str], str]
    batches: list[Batch]
    questions: list[Question]


@lru_cache
def changes(zone: str) -> list[datetime]:
    """The clock changes of a zone since the oldest event, to the half hour."""
    hours = [NOW.replace(minute=0, second=0, microsecond=0) - timedelta(minutes=30 * n) for n in range(390 * 48)]
    offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in hours]
    return [hours[n] for n in range(len(hours) - 1) if offsets[n] != offsets[n + 1]]


def centers(zone: str) -> st.SearchStrategy[datetime]:
    """Where events and questions gather."""
    ages = [
        st.integers(0, 3 * 3600),
        st.integers(0, 50 * 3600),
        st.integers(33 * 86400, 37 * 86400),
        st.integers(2 * 86400, 385 * 86400),
    ]
    recent = st.one_of(ages).map(lambda age: NOW - timedelta(seconds=age))
    midnight = st.integers(0, 385).map(lambda age: day_around(NOW - timedelta(days=age), zone)[0])
    known = changes(zone)
    return st.one_of(recent, midnight, st.sampled_from(known)) if known else st.one_of(recent, midnight)


DELTAS = st.one_of(
    st.sampled_from([timedelta(0), DAY, -DAY, DAY + timedelta(milliseconds=1), DAY - timedelta(microseconds=1)]),
    st.sampled_from([timedelta(minutes=m) for m in (-65, -35, -30, -5, 5, 30, 60, 90)]),
    st.integers(-26 * 3600, 26 * 3600).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(-900, 900).map(lambda seconds: timedelta(seconds=seconds, microseconds=seconds)),
)


@st.composite
def events(draw: st.DrawFn, organization: str, around: list[datetime]) -> bytes:
    """One event of any type at a workflow of its kind, seldom of the other."""
    at = draw(st.sampled_from(around)) + draw(DELTAS)
    at = min(max(at, NOW - OLDEST), NOW + timedelta(minutes=3))
    kind = draw(
        st.sampled_from(
            [
                "page_view",
                "workflow_started",
                "interaction",
                "interaction",
                "goal_triggered",
                "goal_reached",
                "goal_reached",
            ]
        )
    )
    fields: dict[str, Any] = {"organization_id": organization}
    if draw(st.booleans()):
        fields["id"] = f"id-{draw(st.integers(0, 30))}"
    if kind.startswith("goal"):
        fields["goal"] = {"uuid": draw(st.sampled_from(GOALS)), "name": draw(st.sampled_from(NAMES))}
    amount = None
    if kind == "goal_reached":
        amount = draw(st.none() | st.sampled_from(AMOUNTS))
        if amount is not None:
            fields["purchase"] = {"value": "@", "currency": draw(st.sampled_from(["EUR", "USD"]))}
    elif kind == "page_view":
        fields["workflow"] = draw(st.sampled_from([*WORKFLOWS[:2] * 4, WORKFLOWS[2]]))
    else:
        fields["workflow"] = draw(st.sampled_from([*WORKFLOWS[2:] * 4, WORKFLOWS[1]]))
    visitor, session = f"v{draw(st.integers(0, 5))}", f"s{draw(st.integers(0, 8))}"
    raw = event(kind, at, visitor=visitor, session=session, **fields)
    return raw if amount is None else raw.replace(b'"@"', amount.encode())


@st.composite
def batches(draw: st.DrawFn, organization: str, around: list[datetime]) -> list[Batch]:
    """Events of one organization, cut into entries of both forms and into batches, bad and resent ones between."""
    raws = draw(st.lists(events(organization, around), min_size=3, max_size=60))
    again = draw(st.lists(st.sampled_from(raws), max_size=8)) if raws else []
    bad = [
        raw.replace(ORGANIZATIONS[0].encode(), organization.encode())
        for raw in draw(st.lists(st.sampled_from(BAD), max_size=3))
    ]
    order = draw(st.permutations([*raws, *again, *bad]))
    cut: list[Batch] = []
    while order:
        entries: list[bytes | list[bytes]] = []
        for size in draw(st.lists(st.sampled_from([1, 1, 2, 5, 20, 100]), min_size=1, max_size=6)):
            taken, order = list(order[:size]), order[size:]
            broken = [raw for raw in taken if raw in BAD[:1] or raw in BAD[2:4]]  # would break an array
            entries += broken
            rest = [raw for raw in taken if raw not in broken]
            if len(rest) == 1 and draw(st.booleans()):
                entries.append(rest[0])
            elif rest:
                entries.append(rest)
        applied = draw(st.none() | st.sampled_from([1, 3, 10, 5_000]))
        cut.append(Batch(organization, entries, draw(st.sampled_from([0] * 19 + [1])), applied))
    return cut


@st.composite
def questions(draw: st.DrawFn, zone: str, around: list[datetime]) -> tuple[str, str]:
    """An interval between two instants of interest, spelt in one of the ways that are read."""
    first, second = (
        draw(st.sampled_from([*around, NOW, NOW - OLDEST]) | centers(zone)) + draw(DELTAS) for _ in range(2)
    )
    start, end = sorted((first, second))
    return draw(spelling(zone))(start), draw(spelling(zone))(end)


def spelling(zone: str) -> st.SearchStrategy[Any]:
    """Ways to write an instant: in UTC, in the zone with and without its offset, in basic format, as a date."""
    return st.sampled_from(
        [
            lambda moment: moment.isoformat(),
            lambda moment: moment.isoformat().replace("+00:00", "Z"),
            lambda moment: moment.astimezone(ZoneInfo(zone)).isoformat(),
            lambda moment: moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(),
            lambda moment: moment.astimezone(ZoneInfo(zone)).strftime("%Y%m%dT%H%M%S%z"),
            lambda moment: moment.astimezone(ZoneInfo(zone)).date().isoformat(),
        ]
    )


@st.composite
def worlds(draw: st.DrawFn) -> ExampleWorld:
    """One or two organizations with all that happens to them."""
    organizations = draw(st.lists(st.sampled_from(ORGANIZATIONS), min_size=1, max_size=2, unique=True))
    zones = {organization: draw(st.sampled_from(ZONES)) for organization in organizations}
    registered: dict[tuple[str, str], str] = {}
    cut: list[Batch] = []
    asked: list[Question] = []
    for organization in organizations:
        around = draw(st.lists(centers(zones[organization]), min_size=1, max_size=4))
        for workflow in draw(st.lists(st.sampled_from(WORKFLOWS), max_size=2, unique=True)):
            kind = "page_navigation" if workflow in WORKFLOWS[:2] else "interaction"
            registered[organization, workflow] = kind
        cut += draw(batches(organization, around))
        intervals = draw(st.lists(questions(zones[organization], around), min_size=1, max_size=4))
        asked += [(organization, workflow, *interval) for workflow in WORKFLOWS for interval in intervals]
    return ExampleWorld(draw(st.sampled_from([1, 2, 16])), zones, registered, draw(st.permutations(cut)), asked)
