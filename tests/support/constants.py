"""The organizations, the secret and the retention that tests use unless they are about others."""

from typing import Any

SECRET = "a secret for tests"  # noqa: S105 - it guards nothing
ORG = "0f4e2a6c-58b1-4f0e-9d55-0a6a4c1b7e01"
OTHER_ORG = "7c9d1b52-3a0e-4a67-8f7e-5d2f6c8b9a02"
# 100 years: whatever date a test is about, buckets of all three levels are kept.
KEEP_ALL: dict[str, Any] = {"keep_fine_hours": 876_000, "keep_hour_days": 36_500, "keep_day_days": 36_500}
