"""Files of MusicCoCa and of Magenta RealTime 2 on the hub: names, sizes and licences.

Magenta RealTime 2 is taken as the ONNX graphs that its community publishes (https://huggingface.co/magenta-community),
because Google's own code runs on JAX and MLX. They hold no MusicCoCa, which comes from Google's repository.
"""

from .named_files import NamedFiles, VendorFolder

PREPROCESSOR, ENCODER = "audio_preprocessor.tflite", "music_encoder.tflite"
QUANTIZER = "pretrained_vector_quantizer.tflite"
TEXT_ENCODER, MAPPER, VOCABULARY = "text_encoder.tflite", "mapper.tflite", "spm.model"
GRAPHS = ("encoder", "temporal_step", "depth_step", "spectrostream_decoder")
CONFIG, TOKEN_TABLE, CODE_TABLE = "config.json", "onnx/token_embedding_fp16.bin", "onnx/quantizer_fp16.bin"
CODEC_ENCODER = "onnx/spectrostream_encoder.onnx"
"""Not among the graphs of the repository: it is needed to continue recordings only, and put here by hand."""
_TERMS = "CC-BY-4.0 (Google)"

MUSICCOCA = NamedFiles(
    "musiccoca",
    "google/magenta-realtime-2",
    (PREPROCESSOR, ENCODER, QUANTIZER),
    inside="resources/musiccoca",
    optional=(TEXT_ENCODER, MAPPER, VOCABULARY),
    vendor=VendorFolder("MAGENTA_HOME", "~/Documents/Magenta", "magenta-rt-v2"),
    megabytes=957.0,
    licence=_TERMS,
)
MAGENTA_RT2 = NamedFiles(
    "magenta-rt2",
    "magenta-community/magenta-rt-onnx-small",
    (CONFIG, *(f"onnx/{graph}.onnx" for graph in GRAPHS), TOKEN_TABLE, CODE_TABLE),
    optional=(*(f"onnx/{graph}.onnx_data" for graph in GRAPHS), CODEC_ENCODER),
    megabytes=1700.0,
    licence=_TERMS,
)
