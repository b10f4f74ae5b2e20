"""The commands. Each one reads its arguments and calls one function; heavy imports wait until a command runs."""

import os
import sys
import traceback
from typing import Annotated, Any

import typer

from .. import __version__
from ..errors import Brain2MusicWarning, InputError
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
    _short_warnings()
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


def _short_warnings() -> None:
    """Our own warnings as one line on stderr; those of libraries stay as they are."""
    import warnings

    library_format = warnings.formatwarning

    def one_line(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> str:
        if issubclass(category, Brain2MusicWarning):
            return f"warning: {message}\n"
        return library_format(message, category, *rest, **more)

    warnings.formatwarning = one_line
