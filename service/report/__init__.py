"""Reports, timelines and overviews: plan, cache, merge, assemble and encode."""
