from .tflite import open_model as open_model
from .yamnet_embedder import YamnetEmbedder as YamnetEmbedder
