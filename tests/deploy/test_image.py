"""The image's instructions, without a container engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image.build import Folder, build, made, settings, stages, words
from tests.support.paths import DEPLOY


@pytest.mark.long
@pytest.mark.timeout(900)
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
    python = ["python", "-c", "import sidedata, sys; print(sidedata.__file__.startswith(sys.prefix))"]
    assert subprocess.check_output(python, env=environment, cwd=tmp_path, text=True).strip() == "True"
