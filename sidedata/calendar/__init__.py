"""Local hours and days, and the buckets that tile an interval."""
