"""Affected goals: the workflows that an outer goal is credited to, whatever the order of arrival. Pure.

A goal that a visitor reaches at time g affects workflow w when the visitor interacted with w at some t with g - 24 h <= t <= g,
that is, when g lies in [t, t + 24 h]. So an interaction is stored as that *span*, and overlapping spans of one workflow are
merged, which loses nothing:

    interactions     t1      t2               t3
    spans            |-------|===|------|     |----------|      [t1, t2 + 24 h], [t3, t3 + 24 h]

* A goal arrives: it affects each workflow with a span that contains it.
* An interaction arrives: it affects, for its workflow, the stored goals in that part of its span that is new.

Hence for every stored goal and workflow: the pair is counted if and only if a span of the workflow contains the goal. That is why
each pair counts once, without a list of pairs. To keep it true, a span that a goal was counted by is stored as long as that goal.
Both are dropped 48 hours after their arrival (the stream entry's time, so that a replay decides the same).

Any producer may send a visitor's limit of goals, and a batch of them at once; hence no event costs a walk through the whole state.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Mapping
from operator import attrgetter

from sidedata.schema import visitor_state
from sidedata.schema.visitor_state import InteractionSpan, OuterGoal, interaction_field, outer_goal_field

FORGET_MS = 48 * 3600 * 1000
_NEVER_MS = 1 << 63

_time = attrgetter("at_us")


class Visitor:
    """The state of one visitor, and its changes.

    Args:
        stored: the hash that holds it; its codec is `sidedata/schema/visitor_state.py`.
        window_us: length of an interaction's span.
        max_goals: the number of goals that are stored; the oldest are dropped first.
    """

    def __init__(self, stored: Mapping[bytes, bytes], window_us: int, max_goals: int) -> None:
        self._window_us = window_us
        self._max_goals = max_goals
        self.spans: dict[str, list[InteractionSpan]] = {}
        self.goals: list[OuterGoal] = []
        self._changed_spans: set[str] = set()
        self._new_goals: dict[str, OuterGoal] = {}
        self._deleted: set[str] = set()
        self.goals_dropped = 0
        self._arrivals: deque[OuterGoal] = deque()
        self._oldest_ms = _NEVER_MS
        if stored:
            self.spans, self.goals = visitor_state.decode(stored)
            self.goals.sort(key=_arrival)
            self._arrivals.extend(self.goals)
            self.goals.sort(key=_time)  # at equal times by arrival
            self._oldest_ms = self._oldest()

    def interact(self, workflow_id: str, at_us: int, arrived_ms: int) -> list[OuterGoal]:
        """Add an interaction; returns the goals that affect its workflow by it, each for the first time."""
        self._expire(arrived_ms)
        spans = self.spans.get(workflow_id, [])
        new = InteractionSpan(at_us, at_us + self._window_us, arrived_ms)
        affected = [goal for start_us, end_us in _gaps(new, spans) for goal in self._goals_within(start_us, end_us)]
        # The interaction's own window decides which spans it overlaps, before it grows.
        first_us, last_us = new.start_us, new.end_us
        others: list[InteractionSpan] = []
        for span in spans:
            if span.end_us < first_us or span.start_us > last_us:
                others.append(span)
            else:
                new.start_us = min(new.start_us, span.start_us)
                new.end_us = max(new.end_us, span.end_us)
                new.arrived_ms = max(new.arrived_ms, span.arrived_ms)
        self.spans[workflow_id] = sorted([*others, new], key=attrgetter("start_us"))
        self._changed_spans.add(workflow_id)
        self._oldest_ms = min(self._oldest_ms, arrived_ms)
        return affected

    def reach(self, goal: OuterGoal) -> list[str]:
        """Add a goal; returns the workflows that it affects."""
        self._expire(goal.arrived_ms)
        affected: list[str] = []
        for workflow_id, spans in self.spans.items():
            for span in spans:
                if span.start_us <= goal.at_us <= span.end_us:
                    span.arrived_ms = max(span.arrived_ms, goal.arrived_ms)
                    self._changed_spans.add(workflow_id)
                    affected.append(workflow_id)
                    break
        insort(self.goals, goal, key=_time)
        self._arrivals.append(goal)
        self._new_goals[goal.key] = goal
        self._oldest_ms = min(self._oldest_ms, goal.arrived_ms)
        if len(self.goals) > self._max_goals:
            self._remove_oldest_goal()
            self.goals_dropped += 1
        return affected

    def _goals_within(self, start_us: int, end_us: int) -> list[OuterGoal]:
        first = bisect_left(self.goals, start_us, key=_time)
        return self.goals[first : bisect_right(self.goals, end_us, key=_time)]

    def _expire(self, now_ms: int) -> None:
        oldest_ms = now_ms - FORGET_MS
        if self._oldest_ms >= oldest_ms:
            return
        while self._arrivals and self._arrivals[0].arrived_ms < oldest_ms:
            self._remove_oldest_goal()
        for workflow_id, spans in list(self.spans.items()):
            recent = [span for span in spans if span.arrived_ms >= oldest_ms]
            if len(recent) < len(spans):
                self._changed_spans.add(workflow_id)
                self.spans[workflow_id] = recent
                if not recent:
                    del self.spans[workflow_id]
        self._oldest_ms = self._oldest()

    def _oldest(self) -> int:
        """The earliest arrival in the state; `_NEVER_MS` in an empty one."""
        arrivals = [span.arrived_ms for spans in self.spans.values() for span in spans]
        if self._arrivals:
            arrivals.append(self._arrivals[0].arrived_ms)
        return min(arrivals, default=_NEVER_MS)

    def _remove_oldest_goal(self) -> None:
        goal = self._arrivals.popleft()
        del self.goals[bisect_left(self.goals, goal.at_us, key=_time)]  # the first to arrive is the first of its time
        if self._new_goals.pop(goal.key, None) is None:
            self._deleted.add(outer_goal_field(goal.key))

    def updates(self) -> dict[str, str]:
        """The fields to set, with their values."""
        fields = {
            interaction_field(workflow_id): visitor_state.encode_spans(spans)
            for workflow_id in self._changed_spans
            if (spans := self.spans.get(workflow_id))
        }
        return fields | {
            outer_goal_field(key): visitor_state.encode_goal(goal) for key, goal in self._new_goals.items()
        }

    def deletions(self) -> list[str]:
        """The fields to delete."""
        empty = {
            interaction_field(workflow_id) for workflow_id in self._changed_spans if not self.spans.get(workflow_id)
        }
        return sorted(self._deleted | empty)


def _gaps(span: InteractionSpan, others: list[InteractionSpan]) -> Iterator[tuple[int, int]]:
    """The parts of a span that no other covers, as first and last microsecond; the others are disjoint and in order."""
    start_us = span.start_us
    for other in others:
        if start_us < other.start_us and start_us <= span.end_us:
            yield start_us, min(other.start_us - 1, span.end_us)
        start_us = max(start_us, other.end_us + 1)
    if start_us <= span.end_us:
        yield start_us, span.end_us


def _arrival(goal: OuterGoal) -> tuple[int, int, int]:
    entry, _, position = goal.key.partition(".")
    ms, _, sequence = entry.partition("-")
    return int(ms), int(sequence), int(position)
