"""Download through the package openneuro-py, where it is installed; what it writes is verified like anything else."""

from ..._utils.errors import InputError
from .planning import FetchPlan

EXTRA = "pip install 'brain2music[fetch]'"


def download_by_openneuro_py(plan: FetchPlan) -> None:
    """Download the files of a plan by openneuro-py, as those may want who use it for other data sets.

    It takes addresses and sizes from OpenNeuro itself, whatever ``servers`` of the plan were.

    Parameters
    ----------
    plan : FetchPlan
        A plan for a data set of OpenNeuro.

    Raises
    ------
    InputError
        The data set is not one of OpenNeuro, the package is not installed, or it fails.

    Examples
    --------
    >>> from pathlib import Path
    >>> import brain2music as b2m
    >>> from brain2music.study.downloads import FetchPlan, download_by_openneuro_py, find_dataset
    >>> try:
    ...     download_by_openneuro_py(FetchPlan(find_dataset("captions"), "latest", Path("captions"), files=()))
    ... except b2m.InputError as error:
    ...     print(error.what)
    captions is not a data set of OpenNeuro
    """
    if not plan.dataset.page.startswith("openneuro.org/"):
        raise InputError(f"{plan.dataset.name} is not a data set of OpenNeuro", hint="download it without openneuro-py")
    try:
        import openneuro
    except ImportError:
        raise InputError("openneuro-py is not installed", hint=f"{EXTRA}, or download without it") from None
    wanted = [file.remote.path for file in plan.files if file.state != "here"]
    version = None if plan.version == "latest" else plan.version
    try:
        openneuro.download(
            dataset=plan.dataset.name, tag=version, target_dir=plan.root, include=[f"/{path}" for path in wanted]
        )
    except Exception as problem:  # of many kinds
        what = f"openneuro-py could not download {plan.dataset.name} ({problem})"
        raise InputError(what, hint="run the command again, or download without it") from None
