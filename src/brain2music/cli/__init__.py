"""The commands. Each one reads its arguments and calls one function; heavy imports wait until a command runs."""

import io
import os
import sys
import traceback
from typing import Annotated

import typer

from .. import __version__
from ..errors import InputError, short_warnings
from . import codec, generate, music, study, train

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From recordings of the listening brain to music: decode, retrieve, score, map.",
)
for part in (study, music, codec, generate, train):
    app.add_typer(part.app)


def _version(show: bool | None) -> None:
    if show:
        print(f"brain2music {__version__}")
        raise typer.Exit(0)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool | None, typer.Option("--version", callback=_version, is_eager=True)] = None,
) -> None:
    """Options of every command; ``main`` looks for ``--debug`` itself."""


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 the input is at fault, 2 usage, 130 interrupted (resumable)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the core to others
    short_warnings()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold bytes that are no text
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except (InputError, OSError) as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except Exception as error:
        if not (hasattr(error, "exit_code") and hasattr(error, "show")):
            raise  # a fault of ours
        error.show()  # a usage error, of whichever click this typer carries
        code = error.exit_code
    if code == 130:
        print("interrupted; the same command resumes", file=sys.stderr)
    sys.exit(code)
