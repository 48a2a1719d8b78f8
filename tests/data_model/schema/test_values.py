"""Small stored values are read as they were written."""

from hypothesis import given
from hypothesis import strategies as st

from sidedata.calendar.levels import Level
from sidedata.schema.values import ChangedBucket, GoalName

LEVELS: list[Level] = ["5min", "hour", "day"]


@given(st.integers(-(10**15), 10**16), st.text(max_size=200).filter(lambda text: text.isprintable()))
def test_a_goals_name_is_read_as_it_was_written(at_us: int, name: str) -> None:
    """Blanks and colons belong to the name."""
    stored = GoalName(at_us, name).encode()
    assert GoalName.decode(stored) == GoalName.decode(stored.encode()) == (at_us, name)


@given(st.sampled_from(LEVELS), st.integers(0, 2**33))
def test_a_changed_bucket_is_read_as_it_was_written(level: Level, start: int) -> None:
    """Level and start come back."""
    assert ChangedBucket.decode(ChangedBucket(level, start).encode()) == (level, start)
