"""The image's instructions, without a container engine."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.image.build import Folder, build, made, settings, stages, words
from tests.support.paths import DEPLOY


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    shutil.which("gcc") is None or not Path(sysconfig.get_path("include"), "Python.h").exists(),
    reason="there is no gcc, or Python has no headers",
)
def test_the_build_s_commands_make_a_command_that_runs(tmp_path: Path) -> None:
    """Every RUN of deploy/Dockerfile in a clean folder, then the entry point and its health check's Python from there alone."""
    first, last = stages((DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    base = getattr(sys, "_base_executable", sys.executable)  # as the image's: no virtual environment
    folder = Folder(tmp_path, base, made(first))
    build(first, folder)
    where = folder.path("/opt/sidedata/bin")
    assert settings(last)["PATH"].startswith("/opt/sidedata/bin:")
    environment = {"PATH": f"{where}{os.pathsep}{os.defpath}"}
    command = [*words(last, "ENTRYPOINT"), "--help"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert "serve" in said.stdout
    assert not list(where.glob("pip*")), "no pip in the image"
    assert list(folder.path("/opt/sidedata").rglob("*.pyc")), (
        "bytecode is made, since the file system will be read-only"
    )
    program = "import sidedata.ingest.apply.planner as planner, sys; print(sys.prefix, planner.__file__)"
    python = ["python", "-c", program]
    prefix, planner = subprocess.check_output(python, env=environment, cwd=tmp_path, text=True).split()
    assert planner.startswith(prefix)
    assert planner.endswith(".so"), "the image has the compiled build"
    libraries = [
        path.relative_to(folder.path("/opt/sidedata")) for path in folder.path("/opt/sidedata").rglob("*mypyc*")
    ]
    assert {path.parts[-2] for path in libraries} == {"sidedata"}, "nothing lies beside the package"
