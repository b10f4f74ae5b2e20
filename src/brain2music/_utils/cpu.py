"""Capabilities of the CPU and other devices, and numbers of threads."""

import torch
from threadpoolctl import threadpool_limits

from .errors import InputError


def multiplies_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 natively, which is faster than float32 and accumulates in float32.

    Otherwise it is emulated, and twenty times slower than float32.
    """
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # not in every version of torch
    return torch.backends.mkldnn.is_available() and bool(supported())


def require_device(name: str) -> torch.device:
    """Get the named device; :class:`InputError` if there is none."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        what = f"there is no {name} device here"
        reason = "" if str(name).startswith("cuda") else f" ({str(error).splitlines()[0][:80]})"
        raise InputError(what + reason, hint="leave --device away, or give cpu") from None
    return device


def use_one_thread() -> None:
    """Limit torch and all loaded BLAS libraries to one thread, for processes of which there is one per core.

    numpy and scipy have BLAS threads of their own, which wait for each other by spinning: on two cores, two processes
    of two threads embedded 62 s of music per second, two of one thread 76 s.
    """
    torch.set_num_threads(1)
    threadpool_limits(1)
