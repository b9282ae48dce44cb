"""What to write to a district after its check. Plain words, no certificate."""

from __future__ import annotations

from collections.abc import Sequence

from aeries_pipeline.districts.roster import District
from aeries_pipeline.operations.onboarding.findings import Finding, is_good


def message(district: District, findings: Sequence[Finding]) -> str:
    """Return a message that can be sent as it is."""
    asks = list(dict.fromkeys(one.ask for one in findings if one.ask))
    lines = [f"Subject: Aeries data for {district.name}", "", "Hello,", ""]
    if not asks:
        if is_good(findings):
            lines.append(
                "We have tested the connection to your Aeries site, and everything works. We read "
                f"it at the times you gave us: {district.windows}."
            )
        else:
            lines.append(
                "We have tested the connection to your Aeries site and have found something on our "
                "side that we are correcting. There is nothing for you to do."
            )
    else:
        lines += ["We have tested the connection to your Aeries site. One thing is missing:"]
        if len(asks) > 1:
            lines[-1] = (
                "We have tested the connection to your Aeries site. Some things are missing:"
            )
        lines += ["", *(f"{number}. {ask}" for number, ask in enumerate(asks, start=1))]
        lines += ["", "We will test again as soon as you tell us. Please do not send the "
                  "certificate by e-mail unless it is encrypted."]  # fmt: skip
    return "\n".join([*lines, "", "Thank you."])
