"""What a terminal shows: text as it stands, whole help, on terminals with few characters."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aeries_pipeline.cli.common import Commands, console, errors, item, warn
from aeries_pipeline.cli.main import main
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.processes.test_command_line import call


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [path]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
        else:
            found.append((*path, name))
    return found


@pytest.mark.parametrize("path", commands(main))
def test_help_is_never_cut_off_and_fits_80_columns(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=80)
    assert result.exit_code == 0
    assert "..." not in result.output.replace("[ARGS]...", "")
    assert max(map(len, result.output.splitlines())) <= 80


def test_what_looks_like_markup_is_text_in_every_command(world: World) -> None:
    world.write_roster(pull_window=[{"days": "[mon, tue]", "opens": "[red]", "closes": ":smile:"}])
    result = call(world, "status")
    assert result.exit_code == 2
    assert "[mon, tue]" in result.stderr
    world.write_roster(name="Eagle [bold]x[/bold] :smile: [/]")
    for arguments in (("status",), ("roster", "show"), ("check", "eagle-usd")):
        assert "Eagle [bold]x[/bold] :smile: [/]" in call(world, *arguments).output
    assert "'[x]' is not in the roster" in call(world, "sync", "[x]").stderr


def test_no_console_of_the_command_line_reads_markup() -> None:
    assert isinstance(main, Commands)
    for one in (console, errors):
        assert one.render_str("[red]a[/red] :smile: [/]").plain == "[red]a[/red] :smile: [/]"
    stream = io.StringIO()
    warn(Console(file=stream, markup=True), "days: [mon, tue] [/x]")
    assert stream.getvalue() == "! days: [mon, tue] [/x]\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "ascii"])
def test_a_terminal_with_few_characters_does_not_change_the_exit_status(
    world: World, encoding: str
) -> None:
    world.write_roster(name="Águila \u4e2d █ Unified")
    for arguments in (["status"], ["roster", "show"], ["sync", "eagle-usd", "--school", "994"]):
        done = subprocess.run(
            [sys.executable, "-m", "aeries_pipeline.cli", *arguments],
            env={**os.environ, **world.variables, "PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(encoding)
        assert b"Traceback" not in done.stderr


def printed(lead: str, sentence: str, *, is_terminal: bool) -> str:
    stream = io.StringIO()
    item(Console(file=stream, width=80, force_terminal=is_terminal), lead, sentence)
    return stream.getvalue()


@given(st.lists(st.from_regex(r"[a-z\[\]]{1,30}", fullmatch=True), min_size=1, max_size=60))
def test_a_sentence_fits_its_terminal_and_is_one_line_for_a_program(words: list[str]) -> None:
    sentence = " ".join(words)
    shown = printed("  1,234  ", sentence, is_terminal=True)
    first, *others = shown.splitlines()
    assert first.startswith("  1,234  ")
    assert all(line.startswith(" " * 9) for line in others)
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.split() == ["1,234", *words]
    assert printed("  1,234  ", sentence, is_terminal=False) == f"  1,234  {sentence}\n"
