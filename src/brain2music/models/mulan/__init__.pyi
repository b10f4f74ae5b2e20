from .loss import contrastive_loss as contrastive_loss
from .model import MuLan as MuLan
from .model import MuLanConfig as MuLanConfig
from .mulan_embedder import MuLanEmbedder as MuLanEmbedder
from .tokens import MuLanTokenizer as MuLanTokenizer
