"""The commands. Each one reads its arguments and calls one function; heavy imports wait until a command runs."""

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from .._utils.errors import InputError, short_warnings
from . import codec, fetch, generate, music, predict, score, study, train, web

USAGE = 2
"""Exit code where a command is missing or unknown, or its arguments are."""
ENDED = 128
"""Exit codes above this are of commands that a signal ended: 128 and its number."""
_AGAIN_S = 0.02
"""Seconds until a signal that cannot be heeded comes again."""

FIRST_STEPS = """\
brain2music decodes the music that people heard from their fMRI. Where to begin:

  brain2music demo OUT
      Simulate a small study and decode it: a few minutes, no data needed, OUT/index.html shows all that a run gives.
  brain2music check BIDS_DIR --stimuli MUSIC
      List what is missing or wrong in your study, before any work.
  brain2music run BIDS_DIR OUT participant --stimuli MUSIC
      Decode your study (run-arrays: responses that come as arrays); running it again does only what is left.
  brain2music fetch
      List the public data that can be downloaded (ds003720 and others).
  brain2music models
      List the embeddings, codecs and weights that are installed.

brain2music --help lists all commands, and brain2music COMMAND --help their options.
"""


class Commands(TyperGroup):
    """The commands; without one, what to do first is shown."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the first steps where nothing is given."""
        if not args and not ctx.resilient_parsing:
            print(FIRST_STEPS, end="", file=sys.stderr)
            ctx.exit(USAGE)
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Commands,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Decode music from fMRI of people who listen to it: embed, decode, retrieve, generate, score, map.",
)
for part in (study, web, predict, score, fetch, music, codec, generate, train):
    app.add_typer(part.app)


def _version(show: bool | None) -> None:
    if show:
        print(f"brain2music {__version__}")
        raise typer.Exit(0)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")] = False,
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = None,
) -> None:
    """Options of every command; ``main`` looks for ``--debug`` itself."""


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 the input is at fault, 2 usage, 128 + n ended by signal n (resumable)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the core to others
    short_warnings()
    if sys.stderr is sys.__stderr__ and sys.stderr is not None:
        sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", buffering=1)  # of our own: libraries are made quiet
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold bytes that are no text
    with _signals_that_end() as ended:
        code = _run(ended)
    if code > ENDED:
        print("interrupted; run the same command again to finish", file=sys.stderr)
    sys.exit(code)


def _run(ended: list[int]) -> int:
    """Run the command that the shell gave; its exit code."""
    try:
        code = int(app(standalone_mode=False, prog_name="brain2music") or 0)
        return ENDED + ended[0] if ended else code  # typer itself answers an interruption, whatever signal it was
    except (KeyboardInterrupt, typer.Abort):
        return ENDED + (ended[0] if ended else signal.SIGINT)
    except Exception as error:
        if ended:
            return ENDED + ended[0]  # an interrupted library says so in its own way
        if isinstance(error, InputError | OSError):
            if "--debug" in sys.argv:
                traceback.print_exc()
            print(f"error: {error}", file=sys.stderr)
            return 1
        if not (hasattr(error, "exit_code") and hasattr(error, "show")):
            raise  # a fault of ours
        error.show()  # a usage error, of whichever click this typer carries
        return int(error.exit_code)


@contextmanager
def _signals_that_end() -> Iterator[list[int]]:
    """Signals that ask to end raise KeyboardInterrupt, so that locks and half-written files go; yield those that came.

    Signals that are ignored (``nohup``) stay so.
    """
    ended: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if _in_finaliser(frame):  # errors that are raised there are printed and dropped: the signal comes again
            again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        ended.append(number)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    usual = {signal.SIG_DFL, signal.default_int_handler}
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in numbers if here and signal.getsignal(number) in usual}
    try:
        for number in before:
            signal.signal(number, end)
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_finaliser(frame: FrameType | None) -> bool:
    """Whether a frame, or one that called it, is the ``__del__`` of an object."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
