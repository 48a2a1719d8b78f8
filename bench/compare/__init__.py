"""The comparison of two builds of sidedata, side by side in one run."""
