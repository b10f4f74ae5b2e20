"""MuLan tokens: an embedding as twelve ids, using residual quantisation fitted once (MusicLM, section 3.1).

MusicLM conditions its language models on tokens of MuLan: 12 quantizers of 1024 codes, of the embedding of sound in
training and of text when sampling, using the same codebooks. These never change while other models train on them.
"""

from pathlib import Path

from jaxtyping import Float32, Int64
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.files import atomic_path
from ..codec_parts.quantizer import ResidualVectorQuantizer

N_QUANTIZERS, CODEBOOK_SIZE = 12, 1024
FILE = "tokens.safetensors"


class MuLanTokenizer:
    """Frozen residual quantizer of embeddings.

    MusicLM is conditioned on the tokens of an embedding: of sound in training, and of text or sound when generating.

    Parameters
    ----------
    codebooks : Tensor of shape (quantizers, codes, dims)
        Codebooks, each of which quantises the residual of those before it.

    References
    ----------
    Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325), section 3.1: 12 quantizers of
    1024 codes.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.mulan import MuLanTokenizer
    >>> vectors = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    >>> tokenizer = MuLanTokenizer.fit(vectors, n_quantizers=3, codebook_size=16)
    >>> tokens = tokenizer.encode(vectors)
    >>> tuple(tokens.shape), tuple(tokenizer.decode(tokens).shape)
    ((200, 3), (200, 8))
    """

    def __init__(self, codebooks: Float32[Tensor, "quantizers codes dims"]) -> None:
        n_quantizers, codebook_size, dims = codebooks.shape
        self._quantizer = ResidualVectorQuantizer(dims, n_quantizers, codebook_size, dropout=False)
        self._quantizer.codebooks.copy_(codebooks)
        self._quantizer.initialised.fill_(True)
        self._quantizer.eval().freeze()

    @classmethod
    def fit(
        cls,
        vectors: Float32[Tensor, "vectors dims"],
        n_quantizers: int = N_QUANTIZERS,
        codebook_size: int = CODEBOOK_SIZE,
        seed: int = 0,
    ) -> "MuLanTokenizer":
        """Fit codebooks with k-means, one quantizer after another.

        Parameters
        ----------
        vectors : Tensor of shape (vectors, dims)
            Embeddings of training music.
        n_quantizers : int, default 12
            Number of codebooks.
        codebook_size : int, default 1024
            Codes per codebook.
        seed : int, default 0
            Seed of the initial centres.

        Returns
        -------
        MuLanTokenizer
            The tokenizer.

        Raises
        ------
        InputError
            There are fewer vectors than codes.
        """
        if len(vectors) < codebook_size:
            raise InputError(
                f"{len(vectors)} vectors are too few for {codebook_size} codes", hint="give more, or ask for fewer"
            )
        quantizer = ResidualVectorQuantizer(vectors.shape[1], n_quantizers, codebook_size, dropout=False)
        quantizer.fit(vectors, seed=seed)
        return cls(quantizer.codebooks.half().float())  # as they will be read again

    @property
    def codebooks(self) -> Float32[Tensor, "quantizers codes dims"]:
        """The codebooks; a copy, for they are frozen."""
        return self._quantizer.codebooks.clone()

    def encode(self, vectors: Float32[Tensor, "vectors dims"]) -> Int64[Tensor, "vectors quantizers"]:
        """Quantise vectors to tokens, each from 0 to codebook_size - 1."""
        return self._quantizer.encode(vectors)

    def decode(self, tokens: Int64[Tensor, "vectors quantizers"]) -> Float32[Tensor, "vectors dims"]:
        """Vectors of tokens; from the first quantizers alone where fewer tokens are given."""
        return self._quantizer.decode(tokens)

    def save(self, folder: Path) -> None:
        """Save the codebooks as ``tokens.safetensors``, in half precision."""
        from safetensors.torch import save_file

        with atomic_path(folder / FILE) as temporary:
            save_file({"codebooks": self._quantizer.codebooks.half().contiguous()}, temporary)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "MuLanTokenizer":
        """Load the tokenizer of a model's folder; :class:`InputError` where there is none."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = Path(folder) / FILE
        try:
            return cls(load_file(file)["codebooks"].float())
        except (OSError, SafetensorError, KeyError) as error:
            raise InputError(f"there are no MuLan tokens that can be read ({error})", file, "fit them again") from None
