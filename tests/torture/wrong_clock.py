"""`sidedata` under a clock that jumps: hours and days back and forth, at every other look.

Run as a script with the command's arguments. A worker decides nothing by its own clock, so nothing may come of it.
"""

import random
import time

from sidedata.cli.main import main

if __name__ == "__main__":
    right = time.time
    jumps = random.Random(7)
    time.time = lambda: right() + jumps.choice((0, -86_400 * 3, 7_200, 86_400 * 40, -0.5))
    main()
