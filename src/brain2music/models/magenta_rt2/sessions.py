"""Sessions of onnxruntime, with errors that say which file is at fault."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..._utils.errors import InputError


def session_options(device: str, n_threads: int | None) -> dict[str, Any]:
    """Options of a session: threads, and what computes."""
    try:
        import onnxruntime
    except ImportError:
        what = "magenta-rt2 needs onnxruntime, which runs ONNX graphs"
        raise InputError(what, hint="run `pip install 'brain2music[magenta]'`") from None
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads or cores or 1, 1
    providers = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
    provider = providers.get(device.partition(":")[0])
    if provider not in onnxruntime.get_available_providers():
        what = f"onnxruntime does not compute on {device} here"
        raise InputError(what, hint="leave the device out, or for cuda run `pip install onnxruntime-gpu`")
    return {"sess_options": options, "providers": [provider]}


def open_session(file: Path, hint: str, **options: Any) -> Any:
    """Open a graph; :class:`InputError` with ``hint`` where it cannot be run."""
    from onnxruntime import InferenceSession

    try:
        return InferenceSession(str(file), **options)
    except Exception as error:  # its own classes of errors have no common base
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"this is not an ONNX graph that can be run ({reason})", file, hint) from None


def describe_tensors(tensors: Sequence[Any]) -> str:
    """Names, types and shapes of inputs or outputs, for errors."""
    return ", ".join(f"{each.name} {each.type} {list(each.shape)}" for each in tensors)
