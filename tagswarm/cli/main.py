"""The program `tagswarm`: its options, its commands, and how an error becomes a sentence and an exit code.

The numbers come from the classes of `manifests.errors` and from nowhere else. Modules that take long to load are
imported by the commands that need them, so that `--version` and `--help` answer at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from tagswarm.manifests import disk
from tagswarm.manifests.errors import EXIT_INTERRUPTED, EXIT_USAGE, TagswarmError
from tagswarm.manifests.version import VERSION

from .kept import export, repair, verify
from .mirror import mirror
from .options import spoken
from .output import Output
from .pull import plan, pull
from .query import count, explain, query, sample
from .release import release
from .tags import stats, tags
from .torrent import torrent
from .trust import trust

EXIT_PIPE = 141
"""What a shell reports of a program that wrote into a closed pipe."""


class Program(click.Group):
    """The outermost command: runs the others and turns whatever ends them into an exit code."""

    def main(  # type: ignore[override]  # it always exits, so that nobody depends on what it returns
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        """Run the program and exit."""
        output = extra.pop("obj", None) or Output()
        self._main_shell_completion(extra, prog_name or "tagswarm", complete_var)
        try:
            code = self._run(list(sys.argv[1:] if args is None else args), prog_name or "tagswarm", output, extra)
            sys.stdout.flush()
        except BrokenPipeError:
            code = _closed_pipe()
        except OSError as failure:  # at the flush, or of a JSON line that tells an error
            code = _unwritten(failure)
        sys.exit(code)

    def _run(self, args: list[str], prog_name: str, output: Output, extra: dict[str, Any]) -> int:
        try:
            with self.make_context(prog_name, args, obj=output, **extra) as context:
                code: int | None = self.invoke(context)
                return code or 0
        except click.exceptions.Exit as leaving:
            return leaving.exit_code
        except click.UsageError as error:
            if output.json or "--json" in args:  # a wrong option before it keeps it from being seen
                output.json = True
                output.failure(error.format_message(), "See --help.", code=EXIT_USAGE, kind="UsageError")
            else:
                error.show()
            return EXIT_USAGE
        except TagswarmError as error:
            if output.verbose:
                traceback.print_exc()
            return output.error(error)
        except (KeyboardInterrupt, click.Abort):
            hint = "Nothing is half-written. Run the same command again; audit and build go on where they stopped."
            output.failure("interrupted", hint, code=EXIT_INTERRUPTED, kind="Interrupted")
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            return _closed_pipe()
        except Exception as error:
            if output.verbose:
                traceback.print_exc()
            if isinstance(error, OSError) and error.filename is None:  # stdout's: those of files are ours and named
                return _unwritten(error)
            message = f"this should not have happened: {type(error).__name__}: {error}"
            output.failure(message, TagswarmError.default_hint, code=TagswarmError.exit_code, kind=type(error).__name__)
            return TagswarmError.exit_code


def _closed_pipe() -> int:
    """Whoever read our output has gone: drop the rest without a word, also what the interpreter flushes at its end."""
    _drop()
    return EXIT_PIPE


def _unwritten(failure: OSError) -> int:
    """Stdout cannot be written, as on a full disk: say so on stderr, whatever was asked for."""
    _drop()
    error = disk.error_of(failure, "standard output")
    Output().failure(error.message, error.hint, code=error.exit_code, kind=type(error).__name__)
    return error.exit_code


def _drop() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, message="tagswarm %(version)s")
@spoken
def program() -> None:
    """Publish and use large tagged image collections.

    Results go to stdout, progress and errors to stderr. The exit code is 0 when all is well, 3 when a part failed and
    the report says which, 2 for a wrong option, 130 after Ctrl-C, and the number of the error otherwise:
    docs/reference/errors.md has them all.
    """


for command in (
    *(count, query, tags, stats, sample, explain),
    *(plan, pull, verify, repair, export, trust),
    *(release, mirror, torrent),
):
    program.add_command(command)


def main() -> None:
    """Run the program on the arguments of the process."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115, PTH123 - Python has None for a closed stream
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123 - as above
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no Unicode gets escapes, not a crash
    program.main()
