"""atheris on the readers: inputs that grow towards code not yet reached: `python -m tests.fuzz.coverage --inputs 1000000`.

Each target runs in a process of its own, because libFuzzer ends the one that it runs in. It looks for what is raised, takes longer
than ten seconds, or more memory than a service should. Where there is no atheris (it has wheels for some machines only) it says so
and does nothing.
"""

import argparse
import re
import secrets
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

TARGETS = ("event", "entry", "body_of_a_question", "query_string", "lines", "archive", "gzip")
_LIMITS = ("-timeout=10", "-rss_limit_mb=1000", "-max_len=6000")
# Packages whose branches guide the search; what is written in C can't.
OURS = ("sidedata",)


def main() -> None:
    """Read the arguments and start a process for each target, or be one."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.coverage")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1 + secrets.randbelow(2**31))
    parser.add_argument("--target", choices=TARGETS)
    parser.add_argument("--corpus", default="")
    chosen = parser.parse_args()
    if chosen.target:
        _fuzz(chosen.target, chosen.inputs, chosen.seconds, chosen.seed, chosen.corpus)
        return
    try:
        import atheris  # noqa: F401, PLC0415 - asked for only here
    except ImportError:
        sys.stdout.write("not run: there is no atheris for this machine and Python\n")
        return
    sys.stdout.write(f"seed {chosen.seed}\n")
    for target in TARGETS:
        _run(target, chosen.inputs // len(TARGETS), max(1, chosen.seconds // len(TARGETS)), chosen.seed)


def _run(target: str, inputs: int, seconds: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as corpus:
        for number, raw in enumerate(_beginnings(target)):
            (Path(corpus) / f"{number:03}").write_bytes(raw)
        start = time.monotonic()
        numbers = ("--inputs", str(inputs), "--seconds", str(seconds), "--seed", str(seed))
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.coverage", "--target", target, *numbers, "--corpus", corpus],
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            check=False,
        )
        said = done.stderr.decode(errors="replace")
        if done.returncode:
            sys.stdout.write(f"{target} broke:\n{said[-5000:]}\n")
            sys.exit(1)
        count = re.findall(r"^#(\d+)", said, re.MULTILINE)[-1]
        reached = re.findall(r"cov: (\d+)", said)
        if not reached:
            sys.stdout.write(f"{target}: no branch of {', '.join(OURS)} was instrumented; the search was blind\n")
            sys.exit(1)
        took = time.monotonic() - start
        sys.stdout.write(
            f"{target:18} {int(count):9,} inputs  {int(count) / took:9,.0f}/s  {reached[-1]} branches reached\n"
        )
        sys.stdout.flush()


def _beginnings(target: str) -> list[bytes]:
    """The first inputs of the search."""
    # Not at the top: what is imported before it can be instrumented is not searched.
    from tests.fuzz.inputs import GOOD, MOMENTS, NASTY  # noqa: PLC0415

    if target == "query_string":
        return [f"start={moment}&end=2026-11-24".encode() for moment in MOMENTS] + [b"window=P1W", b"window=PT0.5H"]
    if target == "body_of_a_question":
        return [b'{"interval":{"start":"%b","end":"2026-11-24T10:00Z"}}' % moment.encode() for moment in MOMENTS]
    if target == "gzip":
        return [zlib.compress(raw, wbits=-15) for raw in GOOD]
    # Deep nesting is slow to refuse; the search would find the way there from a few brackets.
    return [*GOOD, *(raw for raw in NASTY if len(raw) < 1000)]


def _fuzz(name: str, inputs: int, seconds: int, seed: int, corpus: str) -> None:
    """Be the process of one target; doesn't return."""
    import atheris  # noqa: PLC0415 - only here

    with atheris.instrument_imports(include=list(OURS)):
        from tests.fuzz import readers  # noqa: PLC0415 - instrumented while it is imported

    target: Callable[[bytes], None] = getattr(readers, name)
    numbers = (f"-runs={inputs}", f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={corpus}/broke-")
    atheris.Setup([sys.argv[0], *_LIMITS, *numbers, corpus], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
