"""The glossary and the code agree: every class that it names exists, and every central class has a term."""

import ast
import re

from tests.support.paths import ROOT
from tests.support.repository.pages import read
from tests.support.repository.syntax import tree

CLASS_OF_TERM = re.compile(r"`([A-Z]\w+)` \(`([\w/]+\.py)`\)")
# The files whose public classes a reader of the code meets first; the other files may name theirs or not.
CENTRAL = [
    "ingest/dedup/bloom.py",
    "ingest/dedup/deduplicator.py",
    "ingest/dedup/id_filters.py",
    "ingest/apply/model.py",
    "ingest/apply/owner_cache.py",
    "ingest/apply/partition.py",
    "ingest/apply/planner.py",
    "ingest/apply/reader.py",
    "ingest/apply/rollup.py",
    "ingest/organizations/bucket.py",
    "ingest/organizations/organization.py",
    "ingest/worker/worker.py",
    "service/report/runs/merged_runs.py",
    "service/report/reports.py",
    "service/report/shared_refresh.py",
    "service/report/workflow_cache.py",
    "sidedata/calendar/slots.py",
    "sidedata/calendar/tiling.py",
    "sidedata/operations.py",
    "sidedata/redis/gateway.py",
    "sidedata/redis/standalone.py",
    "sidedata/schema/keys.py",
    "sidedata/schema/table.py",
    "sidedata/writes/commit.py",
    "sidedata/writes/lease.py",
]
MINOR = {"Slots", "Maintenance", "NoSuchWorkflowError", "CountTarget", "WorkflowKeys"}


def public_classes(path: str) -> set[str]:
    """The names of a file's public classes."""
    return {
        node.name for node in tree(ROOT / path).body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def test_the_classes_of_the_glossary_exist() -> None:
    """A class stands in the file that the glossary names."""
    named = CLASS_OF_TERM.findall(read("docs/GLOSSARY.md"))
    assert len(named) > 50
    assert not [f"{name} in {path}" for name, path in named if name not in public_classes(path)]


def test_central_classes_have_a_term() -> None:
    """The main classes of the write path, the read path and the schema are explained."""
    named = {name for name, _ in CLASS_OF_TERM.findall(read("docs/GLOSSARY.md"))}
    assert not {f"{name} in {path}" for path in CENTRAL for name in public_classes(path) - named - MINOR}


def test_each_term_stands_once() -> None:
    """No two lines define one term."""
    terms = re.findall(r"^\| (?!term|---)([^|]+) \|", read("docs/GLOSSARY.md"), re.MULTILINE)
    assert len(terms) == len(set(terms))
