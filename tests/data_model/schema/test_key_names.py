"""Names of keys are read as they are made: a round trip through every name of a keyspace and every row of the table."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidedata.calendar.levels import Level
from sidedata.schema import keys
from sidedata.schema.key_names import KeyName, parse
from sidedata.schema.keys import Keyspace
from sidedata.schema.table import KEYS
from tests.support.constants import ORG
from tests.support.events import GOAL, POPUP

RUN = "0a1b2c3d"
START = int(datetime(2026, 11, 23, 22, tzinfo=UTC).timestamp())
BUCKET = {"organization": ORG, "workflow": POPUP, "level": "hour", "start": START}


def names(space: Keyspace) -> dict[str, tuple[str, dict[str, object]]]:
    """The name of a key of each kind of a partition, by its kind, and the parts that it is read as."""
    bucket = space.bucket(ORG, POPUP, "hour", START)
    return {
        "events": (space.events, {}),
        "dead": (space.dead, {}),
        "dead index": (space.dead_of(ORG), {"organization": ORG}),
        "dead rewrite": (space.dead_rewrite, {}),
        "cursor": (space.cursor, {}),
        "lease": (space.lease, {}),
        "organization": (space.organization(ORG), {"organization": ORG}),
        "organizations": (space.organizations, {}),
        "workflows": (space.workflows(ORG), {"organization": ORG}),
        "workflow": (space.workflow(ORG, POPUP), {"organization": ORG, "workflow": POPUP}),
        "changes": (space.changes(ORG, POPUP), {"organization": ORG, "workflow": POPUP}),
        "goal": (space.goal(ORG, GOAL), {"organization": ORG, "goal": GOAL}),
        "visitors": (f"{bucket}visitors", BUCKET),
        "sessions": (f"{bucket}sessions", BUCKET),
        "counts": (f"{bucket}counts", BUCKET),
        "goal visitors": (f"{bucket}triggered:{GOAL}:visitors", {**BUCKET, "role": "triggered", "goal": GOAL}),
        "goal sessions": (f"{bucket}affected:{GOAL}:sessions", {**BUCKET, "role": "affected", "goal": GOAL}),
        "ids": (f"{space.ids(20_000, 1)}255", {"generation": 20_000, "layer": 1, "number": 255}),
        "id fingerprints": (space.id_fingerprints(20_000, 7), {"generation": 20_000, "number": 7}),
        "id filter": (space.id_filter(20_000, 7), {"generation": 20_000, "number": 7}),
        "visitor": (space.visitor(ORG, "00ff12ab34cd56ef"), {"organization": ORG, "visitor": "00ff12ab34cd56ef"}),
        "swap": (space.swap(RUN), {"run": RUN}),
    }


def parts(parsed: KeyName) -> dict[str, object]:
    """The parts that a name has."""
    every = {field: getattr(parsed, field) for field in parsed.__struct_fields__}
    return {field: value for field, value in every.items() if value is not None}


@pytest.mark.parametrize("kind", sorted(names(Keyspace(3))))
def test_a_name_is_parsed_into_its_parts(kind: str) -> None:
    """Every part is in the parsed name, and nothing else is."""
    name, expected = names(Keyspace(3))[kind]
    parsed = parse(name)
    assert parsed is not None
    assert parts(parsed) == {"kind": kind, "partition": 3, **expected}


@pytest.mark.parametrize("kind", sorted(names(Keyspace(3)).keys() - {"swap"}))
def test_a_shadow_names_the_same_keys_beside(kind: str) -> None:
    """A key that a rebuild builds is in the slot of its live key and is read back with that key's name."""
    live, _ = names(Keyspace(3))[kind]
    shadow, _ = names(Keyspace(3, RUN))[kind]
    assert shadow == live.replace("sd:{3}:", f"sd:{{3}}:rebuild:{RUN}:")
    parsed = parse(shadow)
    assert parsed is not None
    assert (parsed.kind, parsed.partition, parsed.run, parsed.stands_for) == ("shadow", 3, RUN, live)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (keys.CONFIG, {"kind": "config"}),
        (keys.TOKENS, {"kind": "tokens"}),
        (keys.TOKENS_USED, {"kind": "tokens used"}),
        (keys.WORKERS, {"kind": "workers"}),
        (keys.rate("a-token_1", 1_760_000_000), {"kind": "rate", "token": "a-token_1", "second": 1_760_000_000}),
    ],
)
def test_keys_of_no_partition_are_parsed(name: str, expected: dict[str, object]) -> None:
    """Configuration, tokens, workers and rates have their own kinds."""
    parsed = parse(name)
    assert parsed is not None
    assert parts(parsed) == expected


def test_every_row_of_the_table_is_named_by_these_tests() -> None:
    """No row is without a name that is built and parsed above."""
    assert {*names(Keyspace(3)), "config", "tokens", "tokens used", "workers", "rate", "shadow"} == set(KEYS)


@given(start=st.integers(0, 4_000_000_000), level=st.sampled_from(["5min", "hour", "day"]))
@example(start=59, level="5min")
def test_starts_are_read_back(start: int, level: Level) -> None:
    """To the second, whatever it is."""
    parsed = parse(f"{keys.keyspace(0).bucket(ORG, POPUP, level, start)}counts")
    assert parsed is not None
    assert (parsed.start, parsed.level) == (start, level)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sd:",
        "sd:nothing",
        "sd:config ",
        "sd:{x}:events",
        "sd:{01}:events",
        "sd:3:events",
        "sd:{3}:events:",
        f"sd:{{3}}:organization:{ORG.upper()}",
        f"sd:{{3}}:hour:{ORG}:{POPUP}:2026-02-30T22:00Z:visitors",
        f"sd:{{3}}:week:{ORG}:{POPUP}:2026-11-23T22:00Z:visitors",
        f"sd:{{3}}:hour:{ORG}:{POPUP}:2026-11-23T22:00Z:{GOAL}:visitors",
        "sd:{3}:events\n",
    ],
)
def test_other_names_are_no_keys_of_ours(name: str) -> None:
    """Near misses and foreign keys."""
    assert parse(name) is None
