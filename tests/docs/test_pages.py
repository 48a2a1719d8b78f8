"""Pages and code agree: what is there is documented, and what is documented is there.

Where a table comes from the code, `python -m tests.support.repository.tables` updates it.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest
from aiohttp import web
from packaging.requirements import Requirement
from prometheus_client import CollectorRegistry

from sidedata.cli.main import cli
from sidedata.events.rejection import Reason
from sidedata.events.wire import EventType
from sidedata.inspect.health import Check
from sidedata.probes import HealthHandlers
from sidedata.service.api.pages import Pages
from sidedata.service.routes import table
from sidedata.settings import PREFIX, Settings, variable
from tests.supply.sbom import runtime_requirements
from tests.support import waiting
from tests.support.browser import chromium
from tests.support.paths import ROOT
from tests.support.redis import servers
from tests.support.repository.pages import (
    PAGES,
    command_lines,
    name_of,
    prose,
    read,
    rows,
    spans,
)
from tests.support.repository.tables import (
    keys_table,
    metric_rows,
    scaling,
    service_metrics,
    setting_rows,
    worker_metrics,
)

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_table_of_settings_is_that_of_the_code() -> None:
    """Every setting with its default and its meaning, in order, and no other."""
    written = [line for line in read("README.md").splitlines() if line.startswith(f"| `{PREFIX}")]
    assert written == setting_rows()


@each_page
def test_only_settings_that_exist_are_named(page: Path) -> None:
    """Whatever looks like a setting is one, or what several begin with."""
    known = {variable(field.name) for field in msgspec.structs.fields(Settings)}
    known |= {chromium.VARIABLE, servers.VARIABLE, waiting.VARIABLE}
    for name in set(re.findall(rf"\b{PREFIX}[A-Z_]*", page.read_text(encoding="utf-8"))):
        assert name in known or (name.endswith("_") and any(one.startswith(name) for one in known)), name


# --- commands ---------------------------------------------------------------------------------------------------------


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands but groups that do nothing by themselves, with the words that lead to them; the longest first."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield (*path, name), command


COMMANDS = dict(commands())


def test_every_command_is_in_the_table() -> None:
    """README has a row for each, and no row twice."""
    written = [tuple(cells[0].strip("`").split()[1:]) for cells in rows("README.md", "`sidedata .*`")]
    named = [next(path for path in COMMANDS if words[: len(path)] == path) for words in written]
    assert sorted(named) == sorted(COMMANDS)


def understood(words: list[str]) -> bool:
    """Tell if there is such a command with such flags."""
    path = next((path for path in COMMANDS if tuple(words[: len(path)]) == path), None)
    if path is None:
        return False
    known = {flag for parameter in COMMANDS[path].params for flag in parameter.opts} | {"--help"}
    return {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@each_page
def test_only_commands_that_exist_are_named(page: Path) -> None:
    """Command, subcommand and flags of every command line on every page; a group may stand for its commands."""
    groups = {path[:1] for path in COMMANDS if len(path) > 1}
    for words in command_lines(page):
        if tuple(words) in groups or words[0].startswith("-") or words == ["COMMAND", "--help"]:
            continue
        assert understood(words), f"sidedata {' '.join(words)}"


@each_page
def test_only_make_targets_that_exist_are_named(page: Path) -> None:
    """In code spans and indented lines."""
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    texts = [*spans(page), *re.findall(r"^ {4}(.*)$", prose(page), re.MULTILINE)]
    named = {match[1] for text in texts if (match := re.match(r"(?:[A-Z_]+=\S+ )?make ([a-z]+)", text))}
    assert named <= targets


# --- routes, metrics, keys --------------------------------------------------------------------------------------------


def test_the_table_of_routes_is_that_of_the_code() -> None:
    """Method, path and scope of each, and no other."""

    async def checks() -> list[Check]:
        return []

    async def nothing(_request: web.Request) -> web.Response:
        return web.Response()

    endpoints = table(HealthHandlers(CollectorRegistry(), checks), Pages(), nothing)
    served = {(one.method, f"`{one.path}`", f"`{one.scope}`" if one.scope else "") for one in endpoints}
    written = [(cells[0], cells[1], cells[2]) for cells in rows("README.md", "GET|POST|PUT|PATCH|DELETE")]
    assert set(written) == served
    assert len(written) == len(served)


def test_the_tables_of_metrics_are_those_of_the_code() -> None:
    """Name, kind, labels and meaning of each, and no other."""
    written = [line for line in read("docs/METRICS.md").splitlines() if line.startswith("| `sidedata_")]
    assert written == metric_rows(worker_metrics()) + metric_rows(service_metrics())


def test_the_tables_of_scaling_follow_from_the_measured_figures() -> None:
    """`python -m tests.support.repository.tables` has been run since a figure in bench/capacity.py was changed."""
    text = read("docs/SCALING.md")
    for mark, lines in scaling():
        assert "\n".join(lines) in text[text.index(mark) :]


@each_page
def test_only_metrics_that_exist_are_named(page: Path) -> None:
    """As they are declared, or as they are called on the wire."""
    names = {metric._name for metric in worker_metrics() + service_metrics()}
    named = set(re.findall(r"\bsidedata_[a-z_]+", page.read_text(encoding="utf-8")))
    assert {re.sub("_(total|bucket|sum|count)$", "", name) if name not in names else name for name in named} <= names


def test_the_table_of_keys_is_that_of_the_code() -> None:
    """ARCHITECTURE repeats it word for word, so nothing is written twice in two ways."""
    assert keys_table() in read("ARCHITECTURE.md")


@each_page
def test_only_keys_that_exist_are_named(page: Path) -> None:
    """A span that looks like a key is a row of the table, or what one begins with; `$P` and a number stand for {p}."""
    known = re.findall(r"^\| `(sd:[^`]*)`", keys_table(), re.MULTILINE)
    for span in spans(page):
        if span.startswith("sd:"):
            named = span.rstrip("…*")
            assert any(key == named or (span != named and key.startswith(named)) for key in known), span


def test_every_event_type_and_reason_is_documented() -> None:
    """A producer finds each in the page for producers."""
    written = set(spans(ROOT / "docs/PRODUCERS.md"))
    assert {*get_args(EventType), *get_args(Reason)} <= written


# --- licences ---------------------------------------------------------------------------------------------------------


def closure(names: list[str]) -> set[str]:
    """These packages and all that they bring along here."""
    found: set[str] = set()
    while names:
        wanted = Requirement(names.pop())
        name = wanted.name.lower().replace("_", "-")
        if name not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            found.add(name)
            names += metadata.requires(name) or []
    return found


def test_every_package_that_runs_has_its_licence_listed() -> None:
    """Those of pyproject.toml in the first table, what they bring along in the second."""
    declared = runtime_requirements(tomllib.loads(read("pyproject.toml"))["project"])
    direct, _, indirect = read("docs/LICENCES.md").partition("They bring along")
    listed = [re.findall(r"^\| ([a-z][a-z-]*) \|", part, re.MULTILINE) for part in (direct, indirect)]
    assert [name for name in listed[0] if name != "package"] == sorted(declared)
    assert closure(list(declared)) <= {*listed[0], *listed[1]}
