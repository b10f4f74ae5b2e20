from .config import W2vBertConfig as W2vBertConfig
from .model import W2vBert as W2vBert
from .training import W2vBertHyperparameters as W2vBertHyperparameters
from .training import train_w2v_bert as train_w2v_bert
from .w2v_bert_embedder import W2vBertEmbedder as W2vBertEmbedder
