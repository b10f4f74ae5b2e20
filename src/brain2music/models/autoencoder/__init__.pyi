from .mdct import MDCTCode as MDCTCode
from .mdct import mdct_basis as mdct_basis
from .model import Autoencoder as Autoencoder
from .model import AutoencoderConfig as AutoencoderConfig
from .whitening import LatentWhitening as LatentWhitening
