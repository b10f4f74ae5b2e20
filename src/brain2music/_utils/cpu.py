"""What the processor does fast, and with how many threads."""

import torch
from threadpoolctl import threadpool_limits

from .errors import InputError


def multiplies_bfloat16() -> bool:
    """Whether products of bfloat16 are native, and so faster than float32 and accumulated in float32.

    Where they are not, they are emulated: twenty times slower than float32.
    """
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # not in every version of torch
    return torch.backends.mkldnn.is_available() and bool(supported())


def require_device(name: str) -> torch.device:
    """The named device; :class:`InputError` where there is none."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        what = f"there is no {name} device here"
        reason = "" if str(name).startswith("cuda") else f" ({str(error).splitlines()[0][:80]})"
        raise InputError(what + reason, hint="leave --device away, or give cpu") from None
    return device


def use_one_thread() -> None:
    """Leave this process one thread of torch and of every BLAS loaded, for there is a process for every core.

    numpy's and scipy's BLAS bring threads of their own, which wait for each other by spinning: two processes of two
    threads on two cores embedded 62 s of music a second, of one thread 76.
    """
    torch.set_num_threads(1)
    threadpool_limits(1)
