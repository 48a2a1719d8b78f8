"""Entry of the `sidedata` command, which starts without the extra that the command line needs, to say so."""

import os
import sys


def main() -> None:
    """Run the command line; in an installation without it, name the extra and exit with 1."""
    # numpy's BLAS starts a thread for each processor, which spins for a while. Nothing here multiplies matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from sidedata.cli.main import main as run  # noqa: PLC0415 - it may not be importable
    except ModuleNotFoundError as error:
        from sidedata.cli.extras import missing_extra  # noqa: PLC0415 - for the failure alone

        sys.exit(f"sidedata: the command line {missing_extra(error)}")
    run()


if __name__ == "__main__":
    main()
