"""The program as a whole: options, errors, exit codes; in this process and as a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from tagswarm.cli.main import Program, program
from tagswarm.cli.options import spoken
from tagswarm.cli.output import Output
from tagswarm.manifests.errors import DiskFull
from tagswarm.manifests.events import StepFinished, StepStarted
from tagswarm.manifests.version import VERSION

TAGSWARM = str(Path(sys.executable).with_name("tagswarm"))


@pytest.fixture
def broken() -> click.Command:
    """A program of the same class with commands that end in every way there is."""

    @click.group(cls=Program)
    @spoken
    def group() -> None:
        """A group."""

    @group.command()
    @click.argument("way")
    @spoken
    @click.pass_obj
    def end(output: Output, way: str) -> int:
        with output.progress() as report:
            report(StepStarted("read files", 1))
            match way:
                case "ours":
                    raise DiskFull("a\x1b[31m.png: the disk is full")
                case "foreign":
                    raise ValueError("seven")
                case "interrupted":
                    raise KeyboardInterrupt
                case "pipe":
                    raise BrokenPipeError
            report(StepFinished("read files", 1))
        output.result({"way": way}, lambda console: console.print(f"[bold]{way}[/bold]"))
        return int(way)

    return group


def run(command: click.Command, *args: str) -> Result:
    return CliRunner().invoke(command, list(args))


def test_version_and_help_answer() -> None:
    assert run(program, "--version").stdout == f"tagswarm {VERSION}\n"
    for args in (["--help"], ["-h"], ["release", "--help"], ["release", "build", "-h"]):
        result = run(program, *args)
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage: ")


def test_every_command_has_help_and_a_short_help_that_is_not_cut() -> None:
    group = program.commands["release"]
    assert isinstance(group, click.Group)
    for name, command in {**program.commands, **group.commands}.items():
        assert command.help, name
        assert not command.get_short_help_str(limit=60).endswith("..."), name
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (name, parameter.name)


def test_what_a_command_returns_is_the_exit_code(broken: click.Command) -> None:
    assert run(broken, "end", "0").exit_code == 0
    assert run(broken, "end", "3").exit_code == 3


def test_result_goes_to_stdout_and_progress_to_stderr(broken: click.Command) -> None:
    result = run(broken, "end", "0")
    assert result.stdout == "[bold]0[/bold]\n"
    assert result.stderr == "read files ... 1 file\n"


@pytest.mark.parametrize("args", [("-q", "end", "0"), ("end", "0", "--quiet")])
def test_quiet_says_nothing(broken: click.Command, args: tuple[str, ...]) -> None:
    result = run(broken, *args)
    assert (result.exit_code, result.output) == (0, "")


def test_quiet_still_tells_errors(broken: click.Command) -> None:
    assert run(broken, "-q", "end", "ours").stderr.startswith("error: ")


def test_our_error_is_two_sentences_and_its_number(broken: click.Command) -> None:
    result = run(broken, "end", "ours")
    assert result.exit_code == DiskFull.exit_code
    said = result.stderr.splitlines()[1:]
    assert said == [r"error: a\x1b[31m.png: the disk is full", f"  what to do: {DiskFull.default_hint}"]


def test_foreign_error_is_one_line_and_its_traceback_only_on_demand(broken: click.Command) -> None:
    result = run(broken, "end", "foreign")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert "ValueError: seven" in result.stderr
    assert "Traceback" in run(broken, "-v", "end", "foreign").stderr


@pytest.mark.parametrize(
    ("way", "code", "kind"),
    [("ours", 15, "DiskFull"), ("foreign", 1, "ValueError"), ("interrupted", 130, "Interrupted")],
)
@pytest.mark.parametrize("before", [True, False])
def test_json_ends_with_the_error(broken: click.Command, way: str, code: int, kind: str, before: bool) -> None:
    result = run(broken, *(["--json", "end", way] if before else ["end", way, "--json"]))
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.stderr == ""
    assert [event["event"] for event in events] == ["step-started", "error"]
    assert (result.exit_code, events[-1]["exit_code"], events[-1]["error"]) == (code, code, kind)
    assert events[-1]["hint"]


def test_json_ends_with_the_result(broken: click.Command) -> None:
    events = [json.loads(line) for line in run(broken, "end", "0", "--json").stdout.splitlines()]
    assert [event["event"] for event in events] == ["step-started", "step-finished", "result"]
    assert events[-1]["way"] == "0"


def test_interruption_is_130(broken: click.Command) -> None:
    assert run(broken, "end", "interrupted").exit_code == 130


def test_wrong_usage_is_2() -> None:
    for args in (["release", "build"], ["release", "nonsense"], ["--nonsense"], ["release", "build", "/nonexistent"]):
        assert run(program, *args).exit_code == 2
    result = run(program, "--json", "release", "build")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == "UsageError"


def test_real_process_starts_without_what_it_does_not_need() -> None:
    code = "import sys, tagswarm.cli.main; print(sorted({'rich', 'pyarrow', 'pyvips', 'numpy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_real_process_keeps_quiet_when_its_reader_leaves() -> None:
    process = subprocess.Popen([TAGSWARM, "release", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=60)
    assert said == b""


def test_real_process_without_unicode_writes_escapes(tmp_path: Path) -> None:
    folder = tmp_path / "dätä"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    result = subprocess.run(
        [TAGSWARM, "release", "show", str(folder)], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_wrong_usage_is_json_too_where_json_was_asked_for() -> None:
    for args in (
        ["release", "verify", "--nonsense", "--json", "."],
        ["release", "verify", "--json", "--nonsense", "."],
    ):
        result = run(program, *args)
        assert (result.exit_code, result.stderr) == (2, "")
        assert json.loads(result.stdout)["error"] == "UsageError"


@pytest.mark.parametrize("args", [["--version"], ["count", "--in", "/nonexistent", "--json"]])
def test_real_process_tells_that_stdout_is_full(args: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([TAGSWARM, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr.splitlines()[0]) == (
        DiskFull.exit_code,
        "error: standard output: the disk is full",
    )


def test_real_process_runs_without_stdout_and_stderr() -> None:
    for args, code in (
        ("--version >&-", 0),
        ("count --in /nonexistent 2>&-", 15),
        ("count --in /nonexistent --json >&-", 15),
    ):
        result = subprocess.run(["sh", "-c", f"{TAGSWARM} {args}"], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (code, "")
