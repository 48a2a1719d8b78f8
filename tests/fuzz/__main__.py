"""The long run: `python -m tests.fuzz --inputs 1000000 --seconds 900`; it stops at the first input that breaks something."""

import argparse
import secrets
import sys

from tests.fuzz.run import run


def main() -> None:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    chosen = parser.parse_args()
    sys.stdout.write(f"seed {chosen.seed}\n")
    for name, (count, seconds, slowest) in run(chosen.seed, chosen.inputs, chosen.seconds).items():
        rate = count / max(seconds, 0.001)
        sys.stdout.write(f"{name:10} {count:9,} inputs  {rate:9,.0f}/s  slowest {slowest * 1000:.1f} ms\n")


if __name__ == "__main__":
    main()
