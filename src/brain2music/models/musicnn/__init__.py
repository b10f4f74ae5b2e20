"""musicnn (Pons & Serra 2019, arXiv 1909.06654), music taggers as embedders, in torch."""
