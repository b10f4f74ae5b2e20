"""Settings with which a tiny study runs in a moment."""

from brain2music.config import RunConfig

CONFIG = RunConfig.of(
    embeddings=("logmel",),
    window_s=1.5,
    lag_tr=0,
    compare_lags_tr=(),
    n_inner_folds=2,
    n_permutations=100,
    fade_s=0.1,
    n_permuted_fits=1,
    encoding={"enabled": False},
    leave_one_genre_out=False,
)
