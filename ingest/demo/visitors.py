"""A simulation of the visitors of a web shop: their events in order of time. Deterministic by its seed: no I/O, no clock.

Sessions begin at random, thinned by a table of the local week. A session is planned as a whole when
it begins, with its consequences hours later; a heap by time lets sessions overlap while events come in order.

    page_view ...                  in every session, in different numbers
    workflow_started               in some sessions a guide offers help
      interaction ...              some visitors accept it
        goal_triggered             and some of these leave their e-mail address or the like
    goal_reached ...               cart, checkout, purchase: mostly after an interaction, at once or within a day
"""

import hashlib
import random
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain, takewhile

import msgspec
from msgspec import Struct

from sidedata.calendar.zones import HOUR_SECONDS, Zone
from sidedata.events.decode import PURCHASE_GOAL
from sidedata.events.timestamps import from_milliseconds
from sidedata.events.wire import EventType

# The relative traffic of each hour of the local day: a weekday has a lunch dip and an evening peak, ...
_WEEKDAY = (
    *(0.22, 0.12, 0.07, 0.05, 0.06, 0.12, 0.30, 0.55, 0.80, 0.95, 1.00, 0.92),
    *(0.66, 0.80, 0.92, 0.95, 0.98, 1.05, 1.20, 1.45, 1.60, 1.40, 0.90, 0.45),
)
# ... a day of the weekend starts late and has neither.
_WEEKEND = (
    *(0.36, 0.22, 0.12, 0.07, 0.05, 0.06, 0.10, 0.20, 0.42, 0.72, 0.95, 1.08),
    *(1.12, 1.12, 1.08, 1.05, 1.02, 1.00, 0.98, 1.00, 1.02, 0.95, 0.75, 0.52),
)
_DAYS = ((_WEEKDAY, 1.0),) * 4 + ((_WEEKDAY, 0.92), (_WEEKEND, 0.85), (_WEEKEND, 1.0))
_WEEK = [weight * factor for hours, factor in _DAYS for weight in hours]
_BUSIEST = max(_WEEK)
_MEAN = sum(_WEEK) / len(_WEEK)
_EPOCH_HOUR = 3 * 24  # 1970 began on a Thursday; `_WEEK` begins on Monday

# The measured result of the probabilities below; a test holds it. It converts events a second to sessions a second.
_EVENTS_PER_SESSION = 4.25

_KNOWN_VISITORS = 12_000
# The first 50 regular visitors come about equally often; by Zipf's law alone the first would make 7 % of all sessions.
_FLATTENED = 50
_NEW_VISITORS = 0.25
# Nearly all sessions end within it. Above 80 events a second its computation would take too long, so the rate rises slowly instead.
_WARM_UP_SECONDS = 300
_WARM_UP_EVENTS = 25_000

_CURRENCIES = ((0.70, "EUR"), (0.88, "USD"), (1.0, "GBP"))
_CENTS = (0, 50, 90, 95, 99, 99)


class _Goal(Struct, frozen=True):
    uuid: str
    name: str


_GUIDE_GOALS = (
    _Goal("90a15eed-0000-4000-8000-000000000001", "E-mail left"),
    _Goal("90a15eed-0000-4000-8000-000000000002", "Voucher taken"),
    _Goal("90a15eed-0000-4000-8000-000000000003", "Call requested"),
)
_CART = _Goal("90a15eed-0000-4000-8000-000000000011", "Cart filled")
_CHECKOUT = _Goal("90a15eed-0000-4000-8000-000000000012", "Checkout started")
_PURCHASED = _Goal("90a15eed-0000-4000-8000-000000000013", PURCHASE_GOAL)


class _Purchase(Struct, frozen=True):
    value: str
    currency: str


class _Event(Struct, omit_defaults=True):
    """An event as on the wire; `id` and `timestamp` are set when it is encoded."""

    type: EventType
    organization_id: str
    visitor_id: str
    session_id: str
    workflow_id: str | None = None
    goal: _Goal | None = None
    purchase: _Purchase | None = None
    id: str = ""
    timestamp: str = ""


class Site(Struct, frozen=True):
    """The simulated site: an organization and its workflow of either kind, as lowercase UUIDs."""

    organization: str
    pages: str
    interactions: str


class Visitors:
    """The visitors of a site; the same arguments generate the same events.

    Args:
        zone: of the visitors' days and nights.
        seed: the seed of the regular visitors' ids and of all random choices.
        run: a part of the ids of events and sessions, which makes them unique among runs with one seed.
    """

    def __init__(self, site: Site, zone: Zone, *, seed: int, run: str) -> None:
        self._site = site
        self._zone = zone
        self._seed = seed
        self._run = run
        self._random = random.Random(seed)  # noqa: S311 - a simulation keeps no secrets
        self._events = self._sessions = self._strangers = 0

    def events(self, start: float, now: float, past_rate: float, live_rate: float) -> Iterator[tuple[float, bytes]]:
        """Generate events with their times from `start` on, without end, in the rhythm of the local week.

        The rates are events a second on average over a week: up to `now`, and from then on. Sessions and their consequences go on
        over that seam. The first ones begin before `start`, so that it finds some under way.
        """
        early = start - min(_WARM_UP_SECONDS, _WARM_UP_EVENTS / past_rate)
        past = self._by_the_week(early, past_rate / _EVENTS_PER_SESSION)
        live = self._by_the_week(now, live_rate / _EVENTS_PER_SESSION)
        return self._from(start, chain(takewhile(lambda at: at < now, past), live))

    # --- when ------------------------------------------------------------------------------------------------------------

    def _evenly(self, start: float, per_second: float) -> Iterator[float]:
        at = start
        while True:
            at += self._random.expovariate(per_second)
            yield at

    def _by_the_week(self, start: float, per_second: float) -> Iterator[float]:
        # Thinning: arrivals at the rate of the busiest hour, each accepted with the relative traffic of its own hour.
        for at in self._evenly(start, per_second * _BUSIEST / _MEAN):
            if self._random.random() * _BUSIEST < self._busy(at):
                yield at

    def _busy(self, at: float) -> float:
        position = ((at + self._zone.offset(int(at))) / HOUR_SECONDS + _EPOCH_HOUR) % len(_WEEK)
        hour = int(position)
        past = position - hour
        return _WEEK[hour] * (1 - past) + _WEEK[(hour + 1) % len(_WEEK)] * past

    def _from(self, start: float, arrivals: Iterator[float]) -> Iterator[tuple[float, bytes]]:
        heap: list[tuple[float, int, _Event]] = []
        planned = 0
        for arrival in arrivals:
            while heap and heap[0][0] < arrival:
                at, _, event = heappop(heap)
                if at >= start:
                    yield at, self._encoded(at, event)
            for at, event in self._visit(arrival):
                heappush(heap, (at, planned, event))
                planned += 1

    def _encoded(self, at: float, event: _Event) -> bytes:
        self._events += 1
        event.id = f"{self._run}-{self._seed}-{self._events}"
        event.timestamp = from_milliseconds(round(at * 1000))
        return msgspec.json.encode(event)

    # --- who -------------------------------------------------------------------------------------------------------------

    def _visitor(self) -> str:
        if self._random.random() < _NEW_VISITORS:
            self._strangers += 1
            return _opaque(f"{self._seed} {self._run} {self._strangers}")
        # Log-uniform: the n-th regular comes about 1 / (n + _FLATTENED) as often.
        regular = int(_FLATTENED * (1 + _KNOWN_VISITORS / _FLATTENED) ** self._random.random()) - _FLATTENED
        return _opaque(f"{self._seed} {regular}")

    def _session(self) -> str:
        self._sessions += 1
        return f"{self._run}-{self._seed}-s{self._sessions}"

    # --- events ----------------------------------------------------------------------------------------------------------

    def _visit(self, at: float) -> Iterator[tuple[float, _Event]]:
        """Generate a session that begins at `at`, and its consequences, not in order."""
        dice = self._random
        visitor, session = self._visitor(), self._session()
        yield at, self._event("page_view", visitor, session)
        guided = at + dice.uniform(3, 15)
        while dice.random() < 0.72:
            at += 3 + dice.lognormvariate(3.1, 0.8)  # 25 seconds on most pages, minutes on some
            yield at, self._event("page_view", visitor, session)
        interacted = False
        if dice.random() < 0.30:
            yield guided, self._event("workflow_started", visitor, session)
            interacted = dice.random() < 0.45
        if interacted:
            guided += dice.uniform(2, 20)
            yield guided, self._event("interaction", visitor, session)
            while dice.random() < 0.25:
                guided += dice.uniform(4, 40)
                yield guided, self._event("interaction", visitor, session)
            if dice.random() < 0.40:
                (goal,) = dice.choices(_GUIDE_GOALS, (5, 3, 1))
                yield guided + dice.uniform(5, 60), self._event("goal_triggered", visitor, session, goal)
        if dice.random() < (0.30 if interacted else 0.012):
            yield from self._shop(max(at, guided), visitor, session)

    def _shop(self, at: float, visitor: str, session: str) -> Iterator[tuple[float, _Event]]:
        dice = self._random
        if dice.random() < 0.45:
            # In a later session within a day; a few come too late to be attributed to the interaction.
            at += dice.uniform(1, 23) * HOUR_SECONDS if dice.random() < 0.85 else dice.uniform(25, 40) * HOUR_SECONDS
            session = self._session()
            yield at, self._event("page_view", visitor, session)
        at += dice.uniform(5, 120)
        yield at, self._event("goal_reached", visitor, session, _CART)
        if dice.random() < 0.65:
            at += dice.uniform(15, 240)
            yield at, self._event("goal_reached", visitor, session, _CHECKOUT)
            if dice.random() < 0.65:
                at += dice.uniform(30, 300)
                yield at, self._event("goal_reached", visitor, session, _PURCHASED, self._payment(visitor))

    def _payment(self, visitor: str) -> _Purchase:
        position = int(visitor[:4], 16) / 0x1_0000  # a visitor always pays in the same currency
        currency = next(name for share, name in _CURRENCIES if position < share)
        whole = 4 + int(self._random.lognormvariate(3.6, 0.8))
        return _Purchase(f"{whole}.{self._random.choice(_CENTS):02}", currency)

    def _event(
        self, type_: EventType, visitor: str, session: str, goal: _Goal | None = None, purchase: _Purchase | None = None
    ) -> _Event:
        workflow = {"page_view": self._site.pages, "goal_reached": None}.get(type_, self._site.interactions)
        return _Event(type_, self._site.organization, visitor, session, workflow, goal, purchase)


def _opaque(text: str) -> str:
    """Derive an id as analytics scripts make them: the same for the same visitor, without meaning."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
