"""The build of the package. It is pure Python, unless COMPILE_SIDEDATA=1 asks mypyc to compile the modules below.

Nothing forks: the same source runs both ways, and both run the tests (CONTRIBUTING.md, "The compiled build"). Only the image
compiles, which makes an event cheaper for the worker (bench/README.md). A class with slots and a dataclass become native classes
there, whose attributes cost no look-up. msgspec's structs do not, so these modules define none. They define no coroutines either:
from Python 3.12 on, a cancelled one would warn of the way that mypyc throws into it.
"""

import os

from setuptools import Extension, setup

# What runs for every event: from its bytes to the operations of a commit.
COMPILED = [
    "sidedata/calendar/slots.py",
    "sidedata/events/decode.py",
    "sidedata/events/hashing.py",
    "sidedata/events/timestamps.py",
    "sidedata/ingest/apply/attribution.py",
    "sidedata/ingest/apply/bucket_delta.py",
    "sidedata/ingest/apply/entries.py",
    "sidedata/ingest/apply/model.py",
    "sidedata/ingest/apply/planner.py",
    "sidedata/ingest/apply/rollup.py",
    "sidedata/ingest/dedup/deduplicator.py",
    "sidedata/ingest/organizations/organization.py",
    "sidedata/ingest/organizations/settled.py",
    "sidedata/ingest/organizations/unknown_hours.py",
    "sidedata/operations.py",
]


def extensions() -> list[Extension]:
    """The modules to compile; none in a pure build."""
    if os.environ.get("COMPILE_SIDEDATA") != "1":
        return []
    from mypyc.build import mypycify  # noqa: PLC0415 - a pure build needs no mypy

    return mypycify(COMPILED, opt_level="3", debug_level="0", group_name="sidedata.compiled")


setup(ext_modules=extensions())
