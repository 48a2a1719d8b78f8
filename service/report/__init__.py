"""Reports: plan, cache, merge, assemble and encode, behind the one class `Reports`."""
