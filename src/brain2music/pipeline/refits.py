"""Refits of decoders to permuted clips, and whether they give p values where clips are scored in folds."""

import numpy as np
from jaxtyping import Int

from ..study.folds import FEWEST

N_REFITS, N_REFITS_IN_FOLDS = 5, 20
"""Decoders fitted to permuted clips; in folds, p is computed from them."""
FEW_REFITS = 5
"""With fewer refits than this, p is seldom under 0.05 however good the score."""


def about_p(groups: Int[np.ndarray, " clips"], n_permuted_fits: int | None) -> tuple[str, str] | None:
    """Why scores of clips predicted in folds have no p, or a blunt one, and what gives one; None where p is sound.

    Parameters
    ----------
    groups : (clips,) the recording of each clip.
    n_permuted_fits : the setting.
    """
    refits, recordings = n_permuted_fits or N_REFITS_IN_FOLDS, len(np.unique(groups))
    source = "clips are scored in folds, where p is computed from decoders refitted to permuted clips"
    enough = f"set evaluation.n_permuted_fits to {N_REFITS_IN_FOLDS} or more, or leave it out"
    if recordings < FEWEST:
        what = f"decoding has no p: {source}, and {recordings} recordings are too few to permute"
        return what, f"give {FEWEST} recordings or more"
    if refits < 2:
        return f"decoding has no p: {source}, and the setting n_permuted_fits asks for one only", enough
    if refits < FEW_REFITS:
        what = f"p of decoding can hardly be small: {source}, and the setting n_permuted_fits asks for {refits} only"
        return what, enough
    return None
