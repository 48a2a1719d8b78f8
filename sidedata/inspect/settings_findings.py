"""The doctor's findings about settings: values that are allowed and hardly intended, and unknown variables."""

from collections.abc import Mapping
from typing import Final

from sidedata.inspect.finding import Finding
from sidedata.settings import Settings, unknown_variables

_ATTRIBUTION_HOURS: Final = 48  # the TTL of a visitor's interactions and goals
_SHORT_SECRET: Final = 16
_SHORT_LEASE_MS: Final = 1000


def settings_findings(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Examine the settings and the environment that they were read from."""
    findings = [
        Finding(
            "settings",
            "warning",
            f"{name} is set, and there is no such setting",
            f"{similar} may be meant" if similar else "unset it; README lists all settings",
        )
        for name, similar in unknown_variables(environ).items()
    ]
    if settings.secret and len(settings.secret) < _SHORT_SECRET:
        findings.append(
            Finding(
                "settings",
                "warning",
                f"SIDEDATA_SECRET has {len(settings.secret)} characters: an attacker who guesses it can identify visitors",
                "a new installation should get 32 random bytes, such as of `openssl rand -base64 32`",
            )
        )
    if settings.affect_hours > _ATTRIBUTION_HOURS:
        findings.append(
            Finding(
                "settings",
                "warning",
                f"SIDEDATA_AFFECT_HOURS is {settings.affect_hours}, but interactions are stored for {_ATTRIBUTION_HOURS} hours",
                f"set it to {_ATTRIBUTION_HOURS} or less; goals after that time are not counted as affected",
            )
        )
    if settings.lease_ms < _SHORT_LEASE_MS:
        findings.append(
            Finding(
                "settings",
                "warning",
                f"SIDEDATA_LEASE_MS is {settings.lease_ms}: workers renew leases twice a second and would lose them",
                "set it to 2000 or more",
            )
        )
    return findings or [Finding("settings", "ok", "no unusual values")]
