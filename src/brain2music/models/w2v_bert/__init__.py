"""w2v-BERT (Chung et al. 2021, arXiv 2108.06209): self-supervised features of music."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
