"""The overlays of deploy/kubernetes build, fit the schemas, and name only what they bring or ask for."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import DEPLOY
from tests.support.repository.deploy_files import documents, passes, tool

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = sorted((KUBERNETES / "overlays").iterdir())
COMPONENTS = sorted((KUBERNETES / "components").iterdir())
FOLDERS = [*OVERLAYS, *COMPONENTS, KUBERNETES / "base"]
each_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda folder: str(folder.name))


def kustomization(folder: Path) -> dict[str, Any]:
    """Return a folder's kustomization."""
    [document] = documents(folder / "kustomization.yaml")
    assert isinstance(document, dict)
    return document


def resources(folder: Path) -> list[Path]:
    """Return the manifests of a folder itself."""
    listed = [folder / name for name in kustomization(folder).get("resources", [])]
    return [path for path in listed if path.suffix == ".yaml"]


def built(overlay: Path, directory: Path) -> list[dict[str, Any]]:
    """Build an overlay with kubectl; skips without it."""
    output = directory / "built.yaml"
    output.write_text(passes(tool("kubectl"), "kustomize", overlay), encoding="utf-8")
    return documents(output)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(KUBERNETES)))
def test_a_folder_lists_its_files_and_no_others(folder: Path) -> None:
    """Every file is a resource, and what else is named is a folder with a kustomization."""
    here = {path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"}
    assert here == set(resources(folder))
    listed = kustomization(folder)
    for name in [*listed.get("resources", []), *listed.get("components", [])]:
        assert (folder / name).is_file() or (folder / name / "kustomization.yaml").is_file(), name


@pytest.mark.parametrize("folder", COMPONENTS, ids=lambda folder: str(folder.name))
def test_components_have_their_schemas(folder: Path) -> None:
    """Kubernetes' own kinds fit its schemas; those of the Prometheus operator have the fields that it needs."""
    manifests = [document for path in resources(folder) for document in documents(path)]
    monitors = [one for one in manifests if one["apiVersion"].startswith("monitoring.coreos.com/")]
    for monitor in monitors:
        [endpoint] = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["path"] == "/metrics"
        assert monitor["spec"]["selector"]["matchLabels"]
    if len(monitors) < len(manifests):
        passes(tool("kubernetes-validate"), "--strict", *resources(folder))


@each_overlay
def test_an_overlay_builds_and_has_its_schemas(overlay: Path, tmp_path: Path) -> None:
    """The output of kubectl fits the schemas, in one namespace, and every image has a tag."""
    manifests = built(overlay, tmp_path)
    for manifest in manifests:
        assert manifest["metadata"].get("namespace", "sidedata") == "sidedata"
    text = (tmp_path / "built.yaml").read_text(encoding="utf-8")
    assert all(":" in image for image in re.findall(r"image: (\S+)", text))
    own = [part for part in text.split("\n---\n") if "monitoring.coreos.com" not in part]
    (tmp_path / "own.yaml").write_text("\n---\n".join(own), encoding="utf-8")
    passes(tool("kubernetes-validate"), "--strict", tmp_path / "own.yaml")


@each_overlay
def test_names_lead_somewhere(overlay: Path, tmp_path: Path) -> None:
    """Secrets and their keys are in the example, ports are named by a container, selectors find a pod, jobs are the alerts'."""
    manifests = built(overlay, tmp_path)
    example = {one["metadata"]["name"]: set(one["stringData"]) for one in documents(KUBERNETES / "secret.example.yaml")}
    pods = [one["spec"]["template"] for one in manifests if one["kind"] in ("Deployment", "StatefulSet")]
    containers = [container for pod in pods for container in pod["spec"]["containers"]]
    for container in containers:
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                assert reference["key"] in example[reference["name"]]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    ports = {port["name"] for container in containers for port in container.get("ports", [])}
    labels = [pod["metadata"]["labels"].items() for pod in pods]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            assert {port["targetPort"] for port in spec["ports"]} <= ports
            assert any(spec["selector"].items() <= found for found in labels)
        if manifest["kind"] == "PodDisruptionBudget":
            assert any(spec["selector"]["matchLabels"].items() <= found for found in labels)
    [config] = documents(DEPLOY / "prometheus/prometheus.yaml")
    jobs = {scrape["job_name"] for scrape in config["scrape_configs"]}
    monitors = [one["spec"] for one in manifests if one["kind"] in ("ServiceMonitor", "PodMonitor")]
    endpoints = [(one.get("endpoints") or one["podMetricsEndpoints"])[0] for one in monitors]
    assert {endpoint["relabelings"][0]["replacement"] for endpoint in endpoints} == jobs


@each_overlay
def test_an_overlay_has_what_an_installation_needs(overlay: Path, tmp_path: Path) -> None:
    """Redis is there or reached by address; the Ingress streams and serves public paths only; partitions are a setting."""
    manifests = built(overlay, tmp_path)
    kinds = {(one["kind"], one["metadata"]["name"]): one for one in manifests}
    own = ("StatefulSet", "redis") in kinds
    assert own == (overlay.name == "own-redis")
    [to_redis, _dns] = kinds["NetworkPolicy", "redis-and-dns"]["spec"]["egress"]
    assert ("podSelector" in to_redis["to"][0]) == own
    if own:
        [redis, _exporter] = kinds["StatefulSet", "redis"]["spec"]["template"]["spec"]["containers"]
        assert redis["args"][2:4] == ["--maxmemory-policy", "noeviction"]
        assert redis["args"][4:] == ["--appendonly", "yes"]
    ingress = kinds["Ingress", "service"]
    annotations = ingress["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "10m"
    paths = {path["path"] for path in ingress["spec"]["rules"][0]["http"]["paths"]}
    assert paths == {"/api", "/dashboard", "/docs", "/openapi.json", "/"}
    [settings] = [
        one["data"] for (kind, name), one in kinds.items() if kind == "ConfigMap" and name.startswith("sidedata")
    ]
    assert int(settings["SIDEDATA_PARTITIONS"]) > 0
    assert {name for kind, name in kinds if kind == "PodDisruptionBudget"} == {"service", "worker"}
