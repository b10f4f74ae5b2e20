from .model import Autoencoder as Autoencoder
from .model import AutoencoderConfig as AutoencoderConfig
from .whitening import LatentWhitening as LatentWhitening
