"""What the processor does fast."""

import torch


def multiplies_bfloat16() -> bool:
    """Whether products of bfloat16 are native, and so faster than float32 and accumulated in float32.

    Where they are not, they are emulated: twenty times slower than float32.
    """
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)  # not in every version of torch
    return torch.backends.mkldnn.is_available() and bool(supported())
