"""The bill of materials: `python -m tests.supply.sbom` prints CycloneDX 1.6, of what `make setup` installs.

It is made from the lock file and docs/LICENCES.md alone, so it is the same on every machine: packages with versions, licences,
hashes of the archives that pip accepts, and its dependencies. `scope` is "required" for what runs and "excluded" for what
only develops and tests.
"""

import json
import sys
import tomllib
from typing import Any

from packaging.requirements import Requirement

from tests.supply import licences, locked
from tests.supply.locked import Locked
from tests.support.repository.pages import read


def bill() -> dict[str, Any]:
    """The whole document."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    direct = runtime_requirements(project)
    packages = locked.read("setup")
    runs = _closure(direct, packages)
    known = licences.listed()
    root = f"pkg:pypi/{project['name']}@{project['version']}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": project["name"],
                "version": project["version"],
                "purl": root,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [_component(package, known[package.name], runs=package.name in runs) for package in packages],
        "dependencies": [
            {"ref": root, "dependsOn": [_purl(one) for one in packages if one.name in direct]},
            *(
                {"ref": _purl(one), "dependsOn": [_purl(other) for other in packages if one.name in other.via]}
                for one in packages
            ),
        ],
    }


def runtime_requirements(project: dict[str, Any]) -> set[str]:
    """Names of the packages that the project itself asks for, those of its extras included."""
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return {Requirement(line).name for line in lines} - {project["name"]}


def _closure(direct: set[str], packages: list[Locked]) -> set[str]:
    """These and all that they bring along."""
    found: set[str] = set()
    more = set(direct)
    while more:
        found |= more
        more = {one.name for one in packages if found.intersection(one.via)} - found
    return found


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version}"


def _component(package: Locked, licence: str, *, runs: bool) -> dict[str, Any]:
    single = {"license": {"id": licence}}
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        "purl": _purl(package),
        "scope": "required" if runs else "excluded",
        "licenses": [{"expression": licence} if " " in licence else single],
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{package.name}/{package.version}/",
                # Of every archive that may be installed: one for each kind of machine, and the source.
                "hashes": [{"alg": "SHA-256", "content": digest} for digest in package.hashes],
            }
        ],
    }
    if package.marker:
        component["properties"] = [{"name": "sidedata:marker", "value": package.marker}]
    return component


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
    sys.stdout.write("\n")
