"""Sources of models that are TFLite files, and their interpreter."""

from pathlib import Path
from typing import Any

from ..._utils.errors import InputError
from ...weights import FOLDER_VARIABLE
from ..sources import ManualFiles

LYRA = ManualFiles(
    "lyra-avg",
    "Lyra V2",
    ("soundstream_encoder.tflite",),
    "github.com/google/lyra, lyra/model_coeffs",
    "download lyra/model_coeffs of github.com/google/lyra into "
    f"${FOLDER_VARIABLE}/lyra-avg (soundstream_encoder.tflite)",
)
YAMNET = ManualFiles(
    "yamnet",
    "YAMNet",
    ("yamnet.tflite", "yamnet_class_map.csv"),
    "yamnet.tflite and yamnet_class_map.csv",
    "put yamnet.tflite (TensorFlow's model page of YAMNet, TFLite) and yamnet_class_map.csv (github.com/tensorflow/"
    f"models, research/audioset/yamnet) into ${FOLDER_VARIABLE}/yamnet",
)


def open_model(file: Path, source: ManualFiles, inner_tensors: bool = False) -> Any:
    """Open a TFLite file with an interpreter that is ready to run.

    Parameters
    ----------
    source : source that errors name. inner_tensors : keep the inner tensors of the network readable, which needs the
        interpreter without its default delegate.

    Raises
    ------
    InputError : the package that runs it is not installed, or the file is not a TFLite model.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        raise InputError(
            f"{source.title} needs a TFLite interpreter", hint="pip install 'brain2music[score]'"
        ) from None
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    options = (
        {"experimental_preserve_all_tensors": True, "experimental_op_resolver_type": plain} if inner_tensors else {}
    )
    try:
        model = Interpreter(str(file), **options)
        model.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"this is not a TFLite model ({error})", file, source.command) from None
    return model
