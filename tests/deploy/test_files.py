"""The files of deploy/ hold what they promise, as far as that can be seen without a container engine.

Tools that most machines lack (promtool, kubectl, hadolint, kubernetes-validate, check-jsonschema) are used where they are on
PATH or in the virtual environment; deploy/README.md says what was run with them.
"""

import asyncio
import json
import re
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import msgspec.yaml
import pytest

from sidedata.settings import PREFIX, Settings, variable
from tests.support.paths import DEPLOY, ROOT
from tests.support.processes.service import world
from tests.support.repository.deploy_files import UNITS, YAML, documents, passes, tool

# --- every file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_yaml_parses(path: Path) -> None:
    """Each document is an object with something in it."""
    assert all(isinstance(document, dict) and document for document in documents(path))


@pytest.mark.parametrize("name", ["redis.conf", "users.acl"])
def test_every_line_has_a_reason(name: str) -> None:
    """A comment stands above each line that does something."""
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    for above, line in pairwise(lines):
        doing = line.strip() and not line.strip().startswith("#")
        # Rights of one kind may take several lines under one comment; users' first lines have theirs.
        assert not doing or above.strip().startswith("#") or (name == "users.acl" and line.startswith(" ")), line


def test_only_settings_that_exist_are_set() -> None:
    """In all files but the pages, which are held to that with the others."""
    known = {variable(field.name) for field in msgspec.structs.fields(Settings)}
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.suffix != ".md":
            named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", path.read_text(encoding="utf-8")))
            assert named <= known, path


# --- image and compose ------------------------------------------------------------------------------------------------


def test_the_image_takes_what_is_packaged_and_checked() -> None:
    """The package and the folders that it links to are copied; wheels have hashes; it runs as a number and not as root."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY (\w+) \1$", text, re.MULTILINE))
    linked = {path.name for path in (ROOT / "sidedata").iterdir() if path.is_symlink()}
    assert copied == {"sidedata"} | linked
    assert "--require-hashes" in text
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", text, re.MULTILINE)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in copied} | {"*", "!requirements.lock", "!pyproject.toml", "!setup.py"} <= set(ignored)


def test_the_image_s_base_is_pinned() -> None:
    """The digest is set, holds for both stages, is the one that the page verifies, and no build replaces it."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ((tag, digest),) = re.findall(
        r"^ARG PYTHON=(\S+)\n(?:#.*\n)*ARG PYTHON_DIGEST=(sha256:[0-9a-f]{64})$", text, re.MULTILINE
    )
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases == ["python:${PYTHON}${PYTHON_DIGEST:+@$PYTHON_DIGEST}"] * 2
    page = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert f"python:{tag}@{digest}" in page
    assert set(re.findall(r"sha256:[0-9a-f]{64}", page)) == {digest}
    assert "PYTHON_DIGEST" not in (DEPLOY / "compose.yaml").read_text(encoding="utf-8")


async def test_the_image_s_health_check_tells_a_service_from_none() -> None:
    """Its very command, against a service and against a closed port."""
    [command] = re.findall(
        r'CMD (\["python", "-c", .*\])$', (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    arguments = [sys.executable, *json.loads(command)[1:]]

    async def status(port: str) -> int:
        process = await asyncio.create_subprocess_exec(
            *arguments, env={"HEALTH_PORT": port}, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait()

    async with world() as made:
        assert await status(made.base.rpartition(":")[2]) == 0
    with socket.socket() as taken:  # bound, so that no other process takes it, and not listening
        taken.bind(("127.0.0.1", 0))
        assert await status(str(taken.getsockname()[1])) != 0


def test_compose_asks_for_what_the_example_names() -> None:
    """Every variable of compose.yaml is in .env.example; everything runs hardened, on images of one version."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    offered = set(re.findall(r"^([A-Z_]+)=", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) == offered
    [compose] = documents(DEPLOY / "compose.yaml")
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert ":" in service["image"], name
        assert not service["image"].endswith(":latest"), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), volume
    assert [compose["services"][name]["deploy"]["replicas"] for name in ("worker", "service")] == [2, 2]


def test_docker_compose_reads_the_file_with_the_example(tmp_path: Path) -> None:
    """Once the empty values are filled in; a missing one is named before anything starts."""
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8")
    (tmp_path / "full").write_text(re.sub(r"^(\w+)=$", r"\1=x", example, flags=re.MULTILINE), encoding="utf-8")
    (tmp_path / "empty").write_text(example, encoding="utf-8")
    command = (tool("docker-compose"), "--file", str(DEPLOY / "compose.yaml"), "--env-file")
    services = passes(*command, tmp_path / "full", "config", "--services").split()
    assert {"redis", "worker", "service", "prometheus", "grafana"} <= set(services)
    done = subprocess.run(
        [*command, str(tmp_path / "empty"), "config"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode
    assert "see .env.example" in done.stderr


def test_compose_has_its_schema() -> None:
    """The one that check-jsonschema brings along."""
    passes(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_the_dockerfile_satisfies_hadolint() -> None:
    """All of its rules."""
    passes(tool("hadolint"), DEPLOY / "Dockerfile")


# --- Kubernetes and systemd -------------------------------------------------------------------------------------------


def manifests() -> list[Path]:
    """The base's resources."""
    [kustomization] = documents(DEPLOY / "kubernetes/base/kustomization.yaml")
    return [DEPLOY / "kubernetes/base" / name for name in kustomization["resources"]]


def test_pods_are_hardened_probed_and_end_in_order() -> None:
    """Every pod has these settings."""
    deployments = [document for path in manifests() for document in documents(path) if document["kind"] == "Deployment"]
    assert [one["metadata"]["name"] for one in deployments] == ["service", "worker"]
    for deployment in deployments:
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["terminationGracePeriodSeconds"] > 10  # what the processes themselves may take
        [container] = pod["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["securityContext"]["readOnlyRootFilesystem"]
        [example, _redis] = documents(DEPLOY / "kubernetes/secret.example.yaml")
        wanted = {one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"]}
        assert wanted <= set(example["stringData"])


def test_manifests_have_their_schemas() -> None:
    """Those that kubernetes-validate brings along."""
    passes(tool("kubernetes-validate"), "--strict", *manifests(), DEPLOY / "kubernetes/secret.example.yaml")


def test_kustomize_builds_the_base() -> None:
    """All kinds come out."""
    built = passes(tool("kubectl"), "kustomize", DEPLOY / "kubernetes/base")
    kinds = set(re.findall(r"^kind: (\w+)$", built, re.MULTILINE))
    assert {"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap"} <= kinds


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.name))
def test_units_are_sound_and_hardened(unit: Path, tmp_path: Path) -> None:
    """Nothing is said against them, and their exposure is called low (under 2 of 10)."""
    analyze = tool("systemd-analyze")
    instance = tmp_path / unit.name.replace("@", "@8081")
    # It looks whether the program is there, which it is on the machine that the unit is for.
    instance.write_text(
        re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    said = subprocess.run([analyze, "verify", str(instance)], capture_output=True, text=True, check=False, timeout=60)
    assert unit.name.split("@", maxsplit=1)[0] not in said.stderr, said.stderr
    passes(analyze, "security", "--offline=true", "--threshold=20", instance)
