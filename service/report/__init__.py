"""Reports: plan, cache, merge, assemble."""
