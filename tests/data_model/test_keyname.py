"""Names of keys are read as they are made: a round trip through every function of `schema.keys`, and its table row by row."""

import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidedata.calendar.levels import Level
from sidedata.schema import keys
from sidedata.schema.key_names import KINDS, parse
from tests.support.constants import ORG
from tests.support.events import GOAL, POPUP

START = int(datetime(2026, 11, 23, 22, tzinfo=UTC).timestamp())
# What a function's parameter is called in a parsed name, and a value for it.
PARAMETERS: dict[str, tuple[str, object]] = {
    "partition": ("partition", 3),
    "organization_id": ("organization", ORG),
    "workflow_id": ("workflow", POPUP),
    "goal_id": ("goal", GOAL),
    "level": ("level", "hour"),
    "start": ("start", START),
    "generation": ("generation", 20_000),
    "layer": ("layer", 1),
    "visitor_hash": ("visitor", "00ff12ab34cd56ef"),
    "token_id": ("token", "a-token_1"),
    "second": ("second", 1_760_000_000),
    "run": ("run", "0a1b2c3d"),
}
# What is behind the last colon, where a function makes the beginning of a name only, and what it is read as.
ENDINGS: dict[str, dict[str, dict[str, object]]] = {
    "bucket": {
        "visitors": {"kind": "visitors"},
        "sessions": {"kind": "sessions"},
        "counts": {"kind": "counts"},
        f"triggered:{GOAL}:visitors": {"kind": "goal visitors", "role": "triggered", "goal": GOAL},
        f"affected:{GOAL}:sessions": {"kind": "goal sessions", "role": "affected", "goal": GOAL},
    },
    "ids": {"255": {"kind": "ids", "number": 255}},
}
NO_KEYS = {"Shadow", "partition_of", "prefix", "instant", "hour_field"}


def functions() -> dict[str, Callable[..., str]]:
    """The functions of `sidedata.schema.keys` that name keys."""
    return {
        name: function
        for name, function in inspect.getmembers(keys)
        if callable(function) and getattr(function, "__module__", "") == keys.__name__ and name not in NO_KEYS
    }


@pytest.mark.parametrize("name", sorted(functions()))
def test_what_a_function_makes_is_read_back(name: str) -> None:
    """Every argument is in the parsed name, and nothing else is."""
    function = functions()[name]
    taken = [PARAMETERS[parameter] for parameter in inspect.signature(function).parameters]
    made = function(*(value for _, value in taken))
    for ending, told in ENDINGS.get(name, {"": {"kind": name.replace("_", " ")}}).items():
        parsed = parse(made + ending)
        assert parsed is not None
        filled = {field: getattr(parsed, field) for field in parsed.__struct_fields__}
        assert {field: value for field, value in filled.items() if value is not None} == {**dict(taken), **told}


@pytest.mark.parametrize("name", sorted(functions().keys() - {"swap"}))
def test_a_shadow_names_the_same_keys_beside(name: str) -> None:
    """Whatever a rebuild builds is in the slot of the live key that it stands for, and is read back with its name."""
    parameters = [
        parameter for parameter in inspect.signature(functions()[name]).parameters if parameter != "partition"
    ]
    values = [PARAMETERS[parameter][1] for parameter in parameters]
    live = functions()[name](3, *values)
    made = functions()[name](keys.Shadow(3, "0a1b2c3d"), *values)
    assert made == live.replace("sd:{3}:", "sd:{3}:rebuild:0a1b2c3d:")
    parsed = parse(made)
    assert parsed is not None
    assert (parsed.kind, parsed.partition, parsed.run, parsed.stands_for) == ("shadow", 3, "0a1b2c3d", live)


@pytest.mark.parametrize("name", ["CONFIG", "TOKENS", "TOKENS_USED", "WORKERS"])
def test_keys_of_no_partition_are_read(name: str) -> None:
    """They have a kind and nothing else."""
    parsed = parse(getattr(keys, name))
    assert parsed is not None
    assert parsed.about.pattern == getattr(keys, name)


def test_the_grammar_is_the_table_of_keys() -> None:
    """Patterns, types and life spans are those of the table; one row of it tells a goal's two sketches."""
    types = {"sorted set": "zset", "HyperLogLog": "string", "set of integers": "set"}
    told = {}
    for line in (keys.__doc__ or "").splitlines():
        if line.startswith("| `"):
            pattern, type_, _, lives, *_ = (cell.strip() for cell in line.strip("|").split("|"))
            endless = lives in {"for ever", "until applied"} or pattern == "`sd:{p}:dead`"
            told[pattern.strip("`")] = (types.get(type_, type_), endless)
            if "<role>" in pattern:
                told[re.sub(r"visitors`$", "sessions", pattern).strip("`")] = (types.get(type_, type_), endless)
    assert {kind.pattern: (kind.type, kind.endless) for kind in KINDS.values()} == told


@given(start=st.integers(0, 4_000_000_000), level=st.sampled_from(["5min", "hour", "day"]))
@example(start=59, level="5min")
def test_starts_are_read_back(start: int, level: Level) -> None:
    """To the second, whatever it is."""
    parsed = parse(f"{keys.bucket(0, ORG, POPUP, level, start)}counts")
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
