"""Looks the locked versions up in the public list of known vulnerabilities.

Fails on a finding. Where the list cannot be asked, as on a machine without a
way to it, says so and does not pass for an audit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main() -> int:
    """Return 1 where a locked version has a known vulnerability."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--no-deps"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [*command, "--format", "json", "--progress-spinner", "off"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        found = []
    audited = [one for one in found if "skip_reason" not in one]
    bad = [one for one in audited if one.get("vulns")]
    for one in bad:
        names = ", ".join(vulnerability["id"] for vulnerability in one["vulns"])
        sys.stdout.write(f"{one['name']} {one['version']}: {names}\n")
    if not audited:
        sys.stdout.write("NOT AUDITED: the list of vulnerabilities cannot be asked from here\n")
        return 0
    sys.stdout.write(f"{len(audited)} of {len(found)} locked versions audited, {len(bad)} bad\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
