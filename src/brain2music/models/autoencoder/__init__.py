"""JEN-1's autoencoder (Li et al. 2023, arXiv 2308.04729): stereo sound in continuous latents."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
