"""What is wrong in a roster, as sentences of our own: never the value."""

from __future__ import annotations

from typing import Any

from yaml import YAMLError


def problem_of(error: YAMLError) -> str:
    """Return what YAML could not read."""
    return str(getattr(error, "problem", None) or type(error).__name__)


def mistake_of(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """Return one of pydantic's errors as the setting and what is wrong with it."""
    field = ".".join(str(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "no such setting"
    elif error["type"] == "missing":
        message = "is missing"
    elif error["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        name = error["ctx"]["discriminator"].strip("'")
        field = f"{field}.{name}" if field else name
        message = "is missing" if error["type"] == "union_tag_not_found" else "is not known"
        tags = error["ctx"].get("expected_tags")
        message += f"; choose from {tags.replace(chr(39), '')}" if tags else ""
    return f"{field}: {message}" if field else message
