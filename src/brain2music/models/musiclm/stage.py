"""One stage of MusicLM: a decoder-only transformer over a prefix of conditions and a pattern of codes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..codec_parts.pretrained import Pretrained
from ..generator_parts.clock import CLOCK, UNKNOWN, without_clock
from .condition import Condition
from .patterns import Layout, arrange, layout
from .sampling import CodeSampler, Randomness, Sampling
from .stage_config import StageConfig
from .stepping import Choice, step_through
from .training_noise import past_dropout_mask, with_token_noise
from .transformer import Transformer


class MusicLMStage(Pretrained):
    """Stage of MusicLM: a model of p(codes | condition, upstream tokens).

    Parameters
    ----------
    config : StageConfig
        Tokens and sizes.

    References
    ----------
    Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325), section 3.2.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.musiclm import Condition, MusicLMStage, Sampling, Vocabulary, stage_configs
    >>> vocabulary = Vocabulary(acoustic_codebook_size=32, acoustic_quantizers=4)
    >>> stage = MusicLMStage(stage_configs("tiny", "single", vocabulary)["acoustic"]).eval()
    >>> tokens, vector = torch.zeros(1, 12, dtype=torch.long), torch.ones(1, 128)
    >>> condition = Condition(tokens, vector, torch.ones(1, 2, dtype=torch.bool))
    >>> codes = stage.sample(condition, None, 5, Sampling(temperature=0.0), torch.Generator())
    >>> tuple(codes.shape)  # batch, quantizers, frames
    (1, 4, 5)
    >>> with torch.no_grad():
    ...     log_probabilities = stage(condition, None, codes)
    >>> tuple(log_probabilities.shape)
    (1, 4, 5)
    """

    Config = StageConfig
    stored_name = "Stage"

    def __init__(self, config: StageConfig) -> None:
        super().__init__()
        self.config, self.space = config, config.space
        slots = 1 if config.pattern == "flattened" else config.n_quantizers
        wide = config.token_width == config.width and slots == 1
        self.table = nn.Embedding(self.space.size, config.token_width)
        self.lift = nn.Identity() if wide else nn.Linear(slots * config.token_width, config.width, bias=False)
        self.lift_given = nn.Identity() if wide else nn.Linear(config.token_width, config.width, bias=False)
        self.transformer = Transformer(config.layers, config.heads, config.width, config.hidden, config.dropout)
        self.drop = nn.Identity() if wide else nn.Linear(config.width, slots * config.token_width, bias=False)
        self.heads = nn.Parameter(
            torch.randn(config.n_quantizers, config.codebook_size, config.token_width) * config.token_width**-0.5
        )
        self.bias = nn.Parameter(torch.zeros(config.n_quantizers, config.codebook_size))
        if config.echoes:
            self.lift_echoes = nn.Linear(config.echoes * slots * config.token_width, config.width, bias=False)
            nn.init.zeros_(self.lift_echoes.weight)
        if "vector" in config.condition:
            self.vector = nn.Linear(config.condition_dims, config.width)
            self.no_vector = nn.Parameter(torch.randn(config.width))
        nn.init.normal_(self.table.weight, std=1.0 if not wide else 0.02)

    def forward(
        self,
        condition: Condition | None,
        upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
        codes: Int[Tensor, "batch quantizers frames"],
    ) -> Float[Tensor, "batch quantizers frames"]:
        """Compute the log-probability of every code, given all codes before it in the pattern.

        Parameters
        ----------
        condition : Condition or None
            Embeddings; None for a stage without.
        upstream : Tensor of int, of shape (batch, upstream_quantizers, upstream_frames), or None
            Codes of the stage before; None for a stage without.
        codes : Tensor of int, of shape (batch, quantizers, frames)
            Codes of this stage.

        Returns
        -------
        Tensor of shape (batch, quantizers, frames)
            Log-probabilities in nats; conditions carry no loss.
        """
        past = with_token_noise(codes, self.config.token_noise) if self.training and self.config.token_noise else codes
        scores, targets = self._scores(condition, upstream, past), codes.transpose(0, 1)  # quantizers first
        loss = functional.cross_entropy(scores.flatten(0, 1).float(), targets.flatten(), reduction="none")
        return -loss.view_as(targets).transpose(0, 1)

    def logits(
        self,
        condition: Condition | None,
        upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
        codes: Int[Tensor, "batch quantizers frames"],
    ) -> Float[Tensor, "batch quantizers frames codes"]:
        """Logits of every code, given all codes before it in the pattern."""
        scores = self._scores(condition, upstream, codes)
        return scores.unflatten(1, (codes.shape[0], codes.shape[2])).transpose(0, 1)

    @torch.no_grad()
    def initialise_from(
        self,
        codebooks: Float[Tensor, "all_quantizers codes table"],
        frequencies: Float[Tensor, "quantizers codes"],
    ) -> None:
        """Initialise from the codec's codebooks and the frequencies of its codes.

        Inputs are then the vectors of the codes, on one scale, and output heads have the same directions, so that codes
        that sound alike are alike before any training. All of it is trained further.

        Parameters
        ----------
        codebooks : Tensor of shape (quantizers, codes, token_width)
            Codebooks of all quantizers of the codec.
        frequencies : Tensor of shape (quantizers, codes)
            Relative frequencies of the codes of the predicted quantizers.
        """
        config, scale = self.config, codebooks[0].square().mean().sqrt()
        levels = range(config.first_quantizer + config.n_quantizers)
        ids = self.space.encode(config.family, torch.arange(config.codebook_size).expand(len(levels), -1))
        self.table.weight[ids] = (codebooks[: len(levels)] / scale).to(self.table.weight)
        predicted = codebooks[config.first_quantizer : len(levels)]
        self.heads.copy_(predicted / predicted.square().sum(2, keepdim=True).mean(1, keepdim=True).sqrt())
        self.bias.copy_((frequencies + 1 / config.codebook_size**2).log())
        for linear, size in ((self.lift, config.token_width), (self.drop, config.width)):
            if isinstance(linear, nn.Linear):
                nn.init.normal_(linear.weight, std=0.5 * size**-0.5 if linear is self.lift else 0.02 * size**-0.5)

    @torch.inference_mode()
    def sample(
        self,
        condition: Condition | None,
        upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
        frames: int,
        sampling: Sampling,
        generator: Randomness,
        known: Int[Tensor, "batch quantizers known_frames"] | None = None,
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Sample codes.

        Guidance other than 1 doubles the batch by the null condition; a stage without conditions ignores it. With one
        generator per item, the codes of an item do not depend on the other items.

        Parameters
        ----------
        condition : Condition or None
            Embeddings; None for a stage without.
        upstream : Tensor of int, of shape (batch, upstream_quantizers, upstream_frames), or None
            Codes of the stage before; None for a stage without.
        frames : int
            Number of frames, known ones included.
        sampling : Sampling
            Temperature, top k, top p and guidance.
        generator : torch.Generator or sequence of torch.Generator
            Random numbers of all items, or one generator per item.
        known : Tensor of int, of shape (batch, quantizers, known_frames), optional
            Codes of the first frames, which are continued.

        Returns
        -------
        Tensor of int, of shape (batch, quantizers, frames)
            Codes.
        """
        guidance = sampling.guidance if self.config.condition else 1.0
        return self.step_through(condition, upstream, frames, CodeSampler(sampling, generator), known, guidance)

    @torch.inference_mode()
    def step_through(
        self,
        condition: Condition | None,
        upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
        frames: int,
        choice: Choice,
        known: Int[Tensor, "batch quantizers known_frames"] | None = None,
        guidance: float = 1.0,
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Step through the pattern with a cache, calling ``choice`` for the codes of every step that is not known.

        Parameters
        ----------
        condition : Condition or None
            Embeddings; None for a stage without.
        upstream : Tensor of int, of shape (batch, upstream_quantizers, upstream_frames), or None
            Codes of the stage before; None for a stage without.
        frames : int
            Number of frames, known ones included.
        choice : callable
            Maps the number of a step and its logits (batch, slots, codes) to its codes (batch, slots).
        known : Tensor of int, of shape (batch, quantizers, known_frames), optional
            Codes of the first frames.
        guidance : float, default 1.0
            Weight of classifier-free guidance.

        Returns
        -------
        Tensor of int, of shape (batch, quantizers, frames)
            Codes.
        """
        return step_through(self, condition, upstream, frames, choice, known, guidance)

    def _scores(
        self,
        condition: Condition | None,
        upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None,
        codes: Int[Tensor, "batch quantizers frames"],
    ) -> Float[Tensor, "quantizers batch*frames codes"]:
        """Logits with quantizers first, as they come out of the product, so that nothing so large is copied."""
        table = self._layout(codes.shape[2])
        prefix = self.prefix(condition, upstream)
        steps = self._arrange(codes, table)
        inputs = self._inputs(steps, len(table.code))
        if self.training and self.config.past_dropout:
            inputs = inputs * past_dropout_mask(inputs, self.config.past_dropout)
        inputs = inputs + self._aligned(condition, upstream, table)
        if self.config.echoes and upstream is not None:
            inputs = inputs + self.echo(steps, self.echoed_steps(upstream, table))
        hidden = self.transformer(torch.cat([prefix, inputs], dim=1))[:, prefix.shape[1] :]
        projected = self.drop(hidden).unflatten(2, (-1, self.config.token_width))  # (batch, steps, slots, table)
        at_codes = projected[:, table.step.to(hidden.device), table.slot.to(hidden.device)].transpose(0, 1)
        return torch.baddbmm(self.bias[:, None], at_codes.flatten(1, 2), self.heads.transpose(1, 2))

    def prefix(
        self, condition: Condition | None, upstream: Int[Tensor, "batch upstream_quantizers upstream_frames"] | None
    ) -> Float[Tensor, "batch prefix width"]:
        """Prefix of the predicted segment: the condition's tokens and vector, and upstream tokens where prefixed."""
        parts: list[Tensor] = []
        if condition is not None and "tokens" in self.config.condition:
            ids = self.space.encode("condition", condition.tokens[..., None])[..., 0]
            shown = condition.shown[:, :1]
            parts.append(self.lift_given(self.table(torch.where(shown, ids, self.space.special("null")))))
        if condition is not None and "vector" in self.config.condition:
            parts.append(self._projected(condition))
        if upstream is not None and self.config.upstream_as == "prefix":
            ids = self.space.encode(self.config.upstream, upstream)
            parts.append(self.lift_given(self.table(ids.transpose(1, 2).flatten(1))))
        if not parts:
            if upstream is None:
                raise ValueError(f"the {self.config.name} stage has neither a condition nor upstream tokens")
            parts.append(self.heads.new_zeros(len(upstream), 0, self.config.width))
        return torch.cat(parts, dim=1)

    def _projected(self, condition: Condition) -> Float[Tensor, "batch 1 width"]:
        """The projected vector of the condition, or the learned vector of the null condition."""
        scaled = condition.vector * self.config.condition_dims**0.5  # unit vectors to unit variance
        return torch.where(condition.shown[:, 1:], self.vector(scaled), self.no_vector)[:, None]

    def _aligned(
        self, condition: Condition | None, upstream: Tensor | None, table: Layout
    ) -> Float[Tensor, "batch steps width"]:
        """Vectors to add to every step: the condition's, and the upstream tokens' of the predicted frame.

        One step where all are alike, and one item of zeros where there is nothing to add.
        """
        frames = self._upstream_frames(upstream, table)
        if condition is None or not self.config.condition_every_step:
            return frames
        return frames + self._projected(condition)

    def with_null(self, upstream: Int[Tensor, "batch rows frames"] | None) -> Int[Tensor, "all rows frames"] | None:
        """Upstream tokens of all items, then those of the null condition, which has no clock."""
        if upstream is None:
            return None
        return torch.cat([upstream, without_clock(upstream) if self.config.upstream == CLOCK else upstream])

    def _upstream_frames(self, upstream: Tensor | None, table: Layout) -> Float[Tensor, "items steps width"]:
        if upstream is None and self.config.upstream == CLOCK:
            upstream = torch.full((1, self.config.upstream_quantizers, 1), UNKNOWN, device=self.heads.device)
        elif upstream is not None and self.config.upstream == CLOCK:
            upstream = upstream[:, : self.config.upstream_quantizers]
        if upstream is None or self.config.upstream_as == "prefix":
            return self.heads.new_zeros(1, 1, self.config.width)
        ids = self.space.encode(self.config.upstream, upstream)
        frames = (table.frame // self.config.frames_per_upstream).clamp(max=upstream.shape[2] - 1).to(upstream.device)
        return self.lift_given(self.table(ids).sum(1))[:, frames]

    def echoed_steps(self, clock: Int[Tensor, "batch rows frames"], table: Layout) -> Int[Tensor, "batch echoes steps"]:
        """The earlier steps whose tokens every step reads; -1 where there is none."""
        lags = clock[:, self.config.upstream_quantizers :, table.frame.to(clock.device)]
        earlier = torch.arange(len(table.code), device=clock.device) - lags
        return torch.where((lags > 0) & (earlier >= 0), earlier, -1)

    def echo(
        self, steps: Int[Tensor, "batch steps slots"], echoed: Int[Tensor, "batch echoes count"]
    ) -> Float[Tensor, "batch count width"]:
        """What is added to steps for the tokens of the earlier ones that they read."""
        batch, echoes, count = echoed.shape
        rows = echoed.clamp(min=0).flatten(1)[:, :, None].expand(-1, -1, steps.shape[2])
        tokens = self.table(steps.gather(1, rows)).flatten(2) * (echoed.flatten(1) >= 0)[:, :, None]
        return self.lift_echoes(tokens.view(batch, echoes, count, -1).transpose(1, 2).flatten(2))

    def _inputs(self, steps: Int[Tensor, "batch steps slots"], count: int) -> Float[Tensor, "batch count width"]:
        """Inputs of the first ``count`` predictions: the start token, then the tokens of each step."""
        start = self.table.weight[self.space.special("start")].expand(len(steps), 1, steps.shape[2], -1)
        return self.lift(torch.cat([start, self.table(steps[:, : count - 1])], dim=1).flatten(2))

    def _logits(self, hidden: Float[Tensor, "batch width"], step: int) -> Float[Tensor, "batch slots codes"]:
        heads: Tensor = self.heads
        bias: Tensor = self.bias
        if self.config.pattern == "flattened":
            level = step % self.config.n_quantizers
            heads, bias = heads[level : level + 1], bias[level : level + 1]
        projected = self.drop(hidden).view(len(hidden), len(heads), -1).transpose(0, 1)
        return torch.baddbmm(bias[:, None], projected, heads.transpose(1, 2)).transpose(0, 1)

    def _arrange(self, codes: Tensor, table: Layout) -> Int[Tensor, "batch steps slots"]:
        ids = self.space.encode(self.config.family, codes, self.config.first_quantizer)
        return arrange(ids, table, self.space.special("empty"))

    def _layout(self, frames: int) -> Layout:
        return layout(self.config.pattern, self.config.n_quantizers, frames)
