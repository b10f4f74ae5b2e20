"""MuLan tokens: an embedding as twelve ids, by residual quantisation fitted once and frozen (MusicLM, section 3.1).

MusicLM conditions its language models on tokens of MuLan: 12 levels of 1024 codes, of the embedding of sound in
training and of text when sampling, by the same codebooks. They must never move while other models train on them.
"""

from pathlib import Path

from jaxtyping import Float32, Int64
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import atomic_path
from ..codec_parts.quantizer import ResidualVectorQuantizer

LEVELS, CODES = 12, 1024
FILE = "tokens.safetensors"


class MulanTokenizer:
    """Vectors to tokens and back.

    Parameters
    ----------
    codebooks : (levels, codes, dims); level l quantises what the levels before it left over.
    """

    def __init__(self, codebooks: Float32[Tensor, "levels codes dims"]) -> None:
        levels, codes, dims = codebooks.shape
        self._quantizer = ResidualVectorQuantizer(dims, levels, codes, dropout=False)
        self._quantizer.codebooks.copy_(codebooks)
        self._quantizer.initialised.fill_(True)
        self._quantizer.eval().freeze()

    @classmethod
    def fit(
        cls, vectors: Float32[Tensor, "vectors dims"], levels: int = LEVELS, codes: int = CODES, seed: int = 0
    ) -> "MulanTokenizer":
        """Codebooks by k-means, level after level; :class:`InputError` where there are fewer vectors than codes."""
        if len(vectors) < codes:
            raise InputError(
                f"{len(vectors)} vectors are too few for {codes} codes", hint="give more, or ask for fewer"
            )
        quantizer = ResidualVectorQuantizer(vectors.shape[1], levels, codes, dropout=False)
        quantizer.fit(vectors, seed=seed)
        return cls(quantizer.codebooks.half().float())  # as they will be read again

    @property
    def codebooks(self) -> Float32[Tensor, "levels codes dims"]:
        """The codebooks; a copy, for they are frozen."""
        return self._quantizer.codebooks.clone()

    def encode(self, vectors: Float32[Tensor, "vectors dims"]) -> Int64[Tensor, "vectors levels"]:
        """Tokens of vectors, each 0 to codes - 1."""
        return self._quantizer.encode(vectors)

    def decode(self, tokens: Int64[Tensor, "vectors levels"]) -> Float32[Tensor, "vectors dims"]:
        """The vectors that tokens stand for; of the first levels alone where fewer are given."""
        return self._quantizer.decode(tokens)

    def save(self, folder: Path) -> None:
        """Write ``tokens.safetensors``, in half precision."""
        from safetensors.torch import save_file

        with atomic_path(folder / FILE) as temporary:
            save_file({"codebooks": self._quantizer.codebooks.half().contiguous()}, temporary)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "MulanTokenizer":
        """The tokenizer in a model's folder; :class:`InputError` where there is none."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = Path(folder) / FILE
        try:
            return cls(load_file(file)["codebooks"].float())
        except (OSError, SafetensorError, KeyError) as error:
            raise InputError(f"there are no MuLan tokens that can be read ({error})", file, "fit them again") from None
