"""Command that downloads public data: fetch."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .._utils.errors import InputError
from .._utils.progress import progress
from .._utils.words import counted
from .completion import complete_dataset
from .options import Overwrite

Patterns = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Choose the files of the whole data set that match. Repeatable."),
]

app = typer.Typer()


@app.command("fetch")
def fetch_data(
    dataset: Annotated[
        str | None,
        typer.Argument(
            metavar="DATASET",
            help="Name of the data set; without it, all are listed. `gtzan` checks the copy that you have in OUT.",
            autocompletion=complete_dataset,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Folder to download to.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking once sizes are shown.")] = False,
    participant_label: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Subject to download; default all. Repeatable.")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Task to download; default all. Repeatable.")
    ] = None,
    session: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Session to download; default all. Repeatable.")
    ] = None,
    include: Patterns = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave out files that match. Repeatable.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="TAG", help="Version of the data set; default the latest.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare files with their checksums that were verified before, too.")
    ] = False,
    overwrite: Overwrite = False,
    connections: Annotated[int, typer.Option(metavar="N", help="Files at once.", min=1, max=16)] = 4,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep archives that were unpacked.")] = False,
    openneuro_py: Annotated[
        bool, typer.Option("--openneuro-py", help="Let openneuro-py download the files; they are verified as well.")
    ] = False,
    server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=URL",
            help="Use a mirror; NAME is openneuro, openneuro_files, zenodo, kaggle or fma. Repeatable.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Silence after which a connection is given up.", min=0.1)
    ] = 30.0,
    attempts: Annotated[int, typer.Option(metavar="N", help="Attempts in a row without getting further.", min=1)] = 5,
    checksums: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="gtzan: checksums of a good copy (of md5sum, or mirdata's index)."),
    ] = None,
    track_index: Annotated[
        Path | None, typer.Option(metavar="FILE", help="gtzan: Sturm's GTZANindex.txt, to report songs that recur.")
    ] = None,
) -> None:
    """Download public data: sizes first, resumed where it was cut, and every file verified.

    The same command continues a download that was interrupted, and downloads only what is missing.
    """
    from ..study.downloads import (
        Patience,
        Servers,
        download_by_openneuro_py,
        fetch,
        list_datasets,
        plan_fetch,
    )
    from ..study.downloads.selection import with_servers

    if dataset is None:
        for each in list_datasets():
            print(f"{each.name}: {each.title}; licence: {each.licence}; {each.page}")
        print("gtzan: not downloaded; `brain2music fetch gtzan MUSIC` checks the copy that you have")
        return
    if out is None:
        raise typer.BadParameter("name the folder to download to", param_hint="OUT")
    if dataset.lower() == "gtzan":
        _check_copy(out, checksums, track_index)
        return
    patience = Patience(timeout_s=timeout, attempts=attempts)
    plan = plan_fetch(
        dataset,
        out,
        subjects=participant_label or (),
        tasks=task or (),
        sessions=session or (),
        include=include or (),
        exclude=exclude or (),
        version=version,
        servers=with_servers(Servers(), server or ()),
        rehash=verify,
        overwrite=overwrite,
        patience=patience,
    )
    print(plan)
    if not plan.is_complete:
        _confirm(yes, out)
    fetch(
        plan,
        n_connections=connections,
        keep_archives=keep_archives,
        patience=patience,
        download=download_by_openneuro_py if openneuro_py else None,
    )
    print(f"{out}: all of {plan.dataset.name} that was asked for is here and verified")
    if plan.dataset.next_step:
        print(f"next: {plan.dataset.next_step.format(out=out)}")


def _confirm(yes: bool, out: Path) -> None:
    """Go on if that was asked for; ask on a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError("nothing was downloaded, as it was not confirmed", out, "add --yes to download this")
    if not typer.confirm("Download this?", err=True):
        raise InputError("nothing was downloaded", out, "choose fewer files, or confirm next time")


def _check_copy(folder: Path, checksums: Path | None, track_index: Path | None) -> None:
    """Print what is wrong with a copy of GTZAN; exit code 1 if recordings of it cannot be used."""
    from ..study.downloads import check_gtzan

    with progress("check the copy of GTZAN"):
        findings = check_gtzan(folder, checksums=checksums, track_index=track_index)
    for finding in findings:
        print(finding)
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}")
    if errors:
        raise typer.Exit(1)
