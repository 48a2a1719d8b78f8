"""Known weaknesses of what is locked: `python -m tests.supply.audit [LOCK]…` asks PyPI by pip-audit, and fails for what is found.

Where that can't be asked (no network, or a mirror that has archives only) it says so in one line and succeeds; it never says
"none" of a package that it could not ask about.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.supply.locked import LOCKS

_SECONDS = 120
_ASKING = ("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "10")


class AuditResult(NamedTuple):
    """The result of an audit."""

    line: str
    failed: bool


def judge(status: int, out: str, err: str) -> AuditResult:
    """Read pip-audit's answer: findings fail, and so does nothing else."""
    try:
        dependencies = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = next((line.strip() for line in reversed(err.splitlines()) if line.strip()), f"status {status}")
        return AuditResult(f"not audited: {last[:200]}", failed=False)
    found = [f"{one['name']} {one['version']}: {flaw['id']}" for one in dependencies for flaw in one.get("vulns", ())]
    skipped = [one["name"] for one in dependencies if "skip_reason" in one]
    asked = len(dependencies) - len(skipped)
    if found:
        return AuditResult(f"known weaknesses: {', '.join(found)}", failed=True)
    if not asked:
        return AuditResult(
            f"not audited: none of the {len(skipped)} packages is known to the index in use", failed=False
        )
    rest = f"; {len(skipped)} could not be asked about: {', '.join(skipped)}" if skipped else ""
    return AuditResult(f"no known weakness in {asked} packages{rest}", failed=False)


def ask(lock: str) -> AuditResult:
    """Audit one lock file."""
    program = str(Path(sys.executable).parent / "pip-audit")
    try:
        done = subprocess.run(
            [program, "--requirement", str(LOCKS[lock]), *_ASKING],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return AuditResult("not audited: pip-audit could not be installed", failed=False)
    except subprocess.TimeoutExpired:
        return AuditResult(f"not audited: no answer within {_SECONDS} seconds", failed=False)
    return judge(done.returncode, done.stdout, done.stderr)


def main() -> None:
    """All lock files, or those that are named."""
    failed = False
    for lock in sys.argv[1:] or LOCKS:
        result = ask(lock)
        failed |= result.failed
        sys.stdout.write(f"{LOCKS[lock].relative_to(LOCKS['setup'].parent)}: {result.line}\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
