from .musicnn_embedder import MusicnnEmbedder as MusicnnEmbedder
from .musicnn_embedder import musicnn_log_mel as musicnn_log_mel
from .network import Features as Features
from .network import MusicnnNetwork as MusicnnNetwork
from .tf_checkpoint import read_checkpoint as read_checkpoint
