"""Reports: single, of many workflows, over time; their cost and freshness."""
