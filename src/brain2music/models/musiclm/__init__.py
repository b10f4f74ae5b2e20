"""MusicLM (Agostinelli et al. 2023, arXiv 2301.11325): a joint embedding, then semantic, coarse and fine tokens."""
