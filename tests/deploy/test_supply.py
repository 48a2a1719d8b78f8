"""Packages of others: each is locked with hashes, its licence is listed, the bill of materials names it."""

import json
import re
import tomllib

import pytest

from tests.supply import licences, locked
from tests.supply.audit import judge
from tests.supply.sbom import bill, runtime_requirements
from tests.support.repository.pages import read

_NAMES = {package.name for lock in locked.LOCKS for package in locked.read(lock)}


def test_make_lock_takes_the_newest_versions() -> None:
    """Uv keeps the versions of an existing lock file without `--upgrade`; and the target leaves the system's Python alone."""
    makefile = read("Makefile")
    commands = re.findall(r"pip compile .*", makefile)
    assert commands
    assert all(" --upgrade " in command for command in commands)
    assert not re.findall(r"^\t.*(?<![/\w.])python3? -m pip", makefile, re.MULTILINE)


@pytest.mark.parametrize("lock", locked.LOCKS)
def test_every_package_is_locked_with_hashes(lock: str) -> None:
    """To one version for each kind of machine; and nothing in the file was overlooked."""
    packages = locked.read(lock)
    assert len(packages) == len(re.findall(r"^[a-z]", locked.LOCKS[lock].read_text(encoding="utf-8"), re.MULTILINE))
    assert [package.name for package in packages if not package.hashes] == []
    assert len({(package.name, package.marker) for package in packages}) == len(packages)


def test_the_lock_files_agree() -> None:
    """A package in several lock files has one version, because they are installed into one place."""
    setup = {(package.name, package.marker): package.version for package in locked.read("setup")}
    for lock in locked.LOCKS:
        for package in locked.read(lock):
            assert setup.get((package.name, package.marker), package.version) == package.version, package.name


def test_the_licence_of_every_package_is_listed() -> None:
    """Of those in all lock files, and of no other; each an SPDX expression."""
    listed = licences.listed()
    assert listed.keys() == _NAMES
    for name, licence in listed.items():
        assert re.fullmatch(r"[A-Za-z0-9.-]+( (AND|OR) \(?[A-Za-z0-9.-]+\)?)*", licence), name


@pytest.mark.parametrize("name", sorted(_NAMES))
def test_a_licence_is_what_the_package_says(name: str) -> None:
    """Where it is installed and says something that can be compared."""
    licence = licences.stated_licence(name)
    if licence is None:
        return
    listed = licences.listed()[name]
    assert licence == listed or set(listed.split(" OR ")) == set(licence.split(" OR ")), licence


def test_the_bill_of_materials_names_everything() -> None:
    """Each locked package with version, licence, hashes and scope; and the dependencies between them."""
    document = json.loads(json.dumps(bill()))
    components = {component["bom-ref"]: component for component in document["components"]}
    packages = locked.read("setup")
    assert components.keys() == {f"pkg:pypi/{package.name}@{package.version}" for package in packages}
    listed = licences.listed()
    for package in packages:
        component = components[f"pkg:pypi/{package.name}@{package.version}"]
        assert (component["name"], component["version"]) == (package.name, package.version)
        (licence,) = component["licenses"]
        assert licence.get("expression", licence.get("license", {}).get("id")) == listed[package.name]
        (archives,) = component["externalReferences"]
        assert [one["content"] for one in archives["hashes"]] == list(package.hashes)
    runs = {component["name"] for component in components.values() if component["scope"] == "required"}
    direct = runtime_requirements(tomllib.loads(read("pyproject.toml"))["project"])
    assert direct < runs
    assert not runs & {"pytest", "mypy", "ruff", "hypothesis", "fakeredis"}
    root = document["metadata"]["component"]["bom-ref"]
    edges = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
    assert edges.keys() == components.keys() | {root}
    assert {components[ref]["name"] for ref in edges[root]} == direct
    assert set().union(*map(set, edges.values())) <= components.keys()


_SAFE = {"name": "a", "version": "1", "vulns": []}
_WEAK = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1"}, {"id": "PYSEC-2"}]}
_UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "line", "failed"),
    [
        ([_SAFE, _SAFE], "no known weakness in 2 packages", False),
        ([_SAFE, _UNKNOWN], "no known weakness in 1 packages; 1 could not be asked about: c", False),
        ([_UNKNOWN, _UNKNOWN], "not audited: none of the 2 packages is known to the index in use", False),
        ([_SAFE, _WEAK, _UNKNOWN], "known weaknesses: b 2: PYSEC-1, b 2: PYSEC-2", True),
    ],
)
def test_only_findings_fail_an_audit(dependencies: list[object], line: str, failed: bool) -> None:  # noqa: FBT001 - a parameter
    """And what could not be asked about is never called safe."""
    assert judge(0, json.dumps({"dependencies": dependencies}), "") == (line, failed)


@pytest.mark.parametrize("out", ["", "[]", "{}", "no JSON"])
def test_an_audit_without_a_network_says_so_in_one_line(out: str) -> None:
    """It never fails the check."""
    result = judge(1, out, "Traceback …\n  somewhere\nConnectionError: no route to host\n\n")
    assert result == ("not audited: ConnectionError: no route to host", False)
