"""Changes to the text of a roster: comments, order and everything else stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from aeries_pipeline.districts.configuration import AcceptedReading


def with_schools(
    text: str, district_id: str, schools: list[int], excluded: Sequence[int] = ()
) -> str:
    """Return a roster's text with another list of schools for one district.

    Comments, order and everything else stay as they are.

    Args:
        text: The roster.
        district_id: Whose schools they are.
        schools: Those that are pulled.
        excluded: More schools that are left out for good.
    """
    editor = _editor()
    data = editor.load(text)
    for entry in data["districts"]:
        if entry.get("id") == district_id:
            entry["schools"] = _in_brackets(schools)
            if excluded:
                before = list(entry.get("exclude_schools") or [])
                entry["exclude_schools"] = _in_brackets([*before, *excluded])
    return _dumped(editor, data)


def with_district(
    text: str, entry: Mapping[str, Any], remarks: Mapping[str, Sequence[str]] | None = None
) -> str:
    """Return a roster's text with one more district at its end.

    Args:
        text: The roster.
        entry: The district's settings.
        remarks: Lines of comment above a setting, by its name.
    """
    editor = _editor()
    data = editor.load(text)
    made = CommentedMap({name: _styled(value) for name, value in entry.items()})
    for name, lines in (remarks or {}).items():
        # At the top of an entry a comment would come before its hyphen.
        made.yaml_set_comment_before_after_key(name, before="\n".join(lines), indent=4)
    if not isinstance(data.get("districts"), CommentedSeq) or not data["districts"]:
        data["districts"] = CommentedSeq()
    data["districts"].append(made)
    return _dumped(editor, data)


def with_reading(
    text: str,
    district_id: str,
    accepted: AcceptedReading,
    *,
    words: str | None = None,
    resumes: bool = False,
) -> str:
    """Return a roster's text with the accepted reading next to a district's words.

    The lines of the settings concerned are replaced in the text itself, so that
    no other character of it changes.

    Args:
        text: The roster.
        district_id: Whose reading it is.
        accepted: The reading.
        words: New words for its ``pull_window``; the present ones stay without.
        resumes: Whether ``paused`` becomes false.

    Raises:
        ValueError: If the district's entry is not written as lines.
    """
    value: dict[str, Any] = {"words": accepted.words, "windows": accepted.windows}
    value |= {"corrected": True} if accepted.corrected else {}
    value |= {"by": accepted.by} if accepted.by else {}
    value |= {"on": accepted.on} if accepted.on else {}
    if words is not None:
        text = _with_setting(text, district_id, "pull_window", words)
    if resumes:
        text = _with_setting(text, district_id, "paused", value=False)
    return _with_setting(text, district_id, "pull_window_accepted", value, behind="pull_window")


def _with_setting(
    text: str,
    district_id: str,
    name: str,
    value: Any,  # noqa: ANN401 - whatever YAML holds
    behind: str = "id",
) -> str:
    """Replace one setting of a district, or put it behind another one."""
    entry = _entry(text, district_id)
    keys = {key.value: (key, held) for key, held in entry.value}
    if entry.flow_style:
        raise ValueError(f"{district_id}: its entry stands in braces; write it as lines")
    place = keys.get(name) or keys.get(behind) or keys["id"]
    indent = " " * entry.value[0][0].start_mark.column
    lines = _fragment({name: value}).splitlines()
    fragment = f"\n{indent}".join(lines)
    end = _end(place[1])
    if name in keys:
        return text[: place[0].start_mark.index] + fragment + text[end:]
    # Behind a comment on the same line.
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{indent}{fragment}{text[line_end:]}"


def _entry(text: str, district_id: str) -> Any:  # noqa: ANN401 - a node of YAML
    root = YAML(typ="rt", pure=True).compose(text)
    districts = next(held for key, held in root.value if key.value == "districts")
    for entry in districts.value:
        if any(key.value == "id" and held.value == district_id for key, held in entry.value):
            return entry
    raise ValueError(f"{district_id}: not in the roster")


def _end(node: Any) -> int:  # noqa: ANN401 - a node of YAML
    """Return where a value ends; the mark of a block lies behind the comments that follow it."""
    if isinstance(node.value, str) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _fragment(setting: dict[str, Any]) -> str:
    editor = _editor()
    return _dumped(editor, {name: _styled(value) for name, value in setting.items()})


def _styled(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Quote clock times and words, and write what is short in brackets."""
    if isinstance(value, str):
        plain = value.replace("-", "").replace("_", "").replace("/", "").replace(".", "")
        return value if plain.isalnum() and plain[0].isalpha() else DoubleQuotedScalarString(value)
    if isinstance(value, list):
        made = CommentedSeq([_in_braces(one) for one in value])
        if not any(isinstance(one, dict) for one in value):
            made.fa.set_flow_style()
        return made
    if isinstance(value, dict):
        return CommentedMap({name: _styled(one) for name, one in value.items()})
    return value


def _in_braces(value: Any) -> Any:  # noqa: ANN401 - whatever YAML holds
    styled = _styled(value)
    if isinstance(styled, CommentedMap):
        for name, one in styled.items():
            styled[name] = _in_braces(value[name]) if isinstance(one, CommentedMap) else one
        styled.fa.set_flow_style()
    return styled


def _editor() -> YAML:
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    return editor


def _in_brackets(schools: list[int]) -> CommentedSeq:
    sequence = CommentedSeq(schools)
    sequence.fa.set_flow_style()
    return sequence


def _dumped(editor: YAML, data: Any) -> str:  # noqa: ANN401 - whatever YAML held
    out = StringIO()
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.dump(data, out)
    return out.getvalue()
