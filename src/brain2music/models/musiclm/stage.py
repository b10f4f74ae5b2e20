"""One stage of MusicLM: a decoder-only transformer over a prefix of conditions and a pattern of codes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..codec_parts.pretrained import Pretrained
from ..generator_parts.clock import CLOCK, UNKNOWN, without_clock
from .config import StageConfig
from .exact import ExactLogits
from .patterns import Layout, arrange, collect, layout
from .sampling import CodeSampler, Randomness, Sampling, apply_guidance
from .transformer import Cache, Transformer

Choice = Callable[[int, Float[Tensor, "batch slots codes"]], Int[Tensor, "batch slots"]]
"""From (step, logits) to the codes of the step's slots."""


class Condition(NamedTuple):
    """Embeddings of a batch that condition a stage, as tokens and as vectors.

    Attributes
    ----------
    tokens : Tensor of int, of shape (batch, quantizers)
        Residual tokens.
    vector : Tensor of shape (batch, dims)
        Embeddings.
    shown : Tensor of bool, of shape (batch, 2)
        Whether tokens and vector of each item are shown to the stage.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.musiclm import Condition
    >>> tokens, vector = torch.zeros(1, 12, dtype=torch.long), torch.ones(1, 128)
    >>> condition = Condition(tokens, vector, torch.ones(1, 2, dtype=torch.bool))
    >>> condition.null().shown
    tensor([[False, False]])
    """

    tokens: Int[Tensor, "batch quantizers"]
    vector: Float[Tensor, "batch dims"]
    shown: Bool[Tensor, "batch 2"]

    def null(self) -> "Condition":
        """The null condition: nothing is shown."""
        return self._replace(shown=torch.zeros_like(self.shown))

    def with_null(self) -> "Condition":
        """All items, then all of them with the null condition, as :func:`.sampling.apply_guidance` expects."""
        return Condition(*(torch.cat(pair) for pair in zip(self, self.null(), strict=True)))

    def to(self, device: torch.device) -> "Condition":
        """Move the condition to a device."""
        return Condition(*(each.to(device) for each in self))

    @classmethod
    def stack(cls, conditions: Sequence["Condition"]) -> "Condition":
        """Concatenate the items of several conditions."""
        return cls(*(torch.cat(parts) for parts in zip(*conditions, strict=True)))

    def item(self, row: int) -> "Condition":
        """The condition of one item."""
        return Condition(*(each[row : row + 1] for each in self))

    def double(self) -> "Condition":
        """The condition in double precision."""
        return self._replace(vector=self.vector.double())

    def repeat(self, times: int) -> "Condition":
        """Repeat each item ``times`` times in a row."""
        return Condition(*(each.repeat_interleave(times, dim=0) for each in self))


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
        past = _with_token_noise(codes, self.config.token_noise) if self.training and self.config.token_noise else codes
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
        exact = ExactLogits(self, condition, upstream, frames, guidance)
        if condition is not None and guidance != 1.0:
            condition, upstream = condition.with_null(), self.with_null(upstream)
        table, twice = self._layout(frames), 2 if guidance != 1.0 else 1
        prefix, aligned = self.prefix(condition, upstream), self._aligned(condition, upstream, table)
        steps, fixed, first = self._plan(table, frames, known, len(prefix) // twice)
        cache = self.transformer.new_cache(len(prefix), prefix.shape[1] + len(table.code))
        echoed = self.echoed_steps(upstream, table) if self.config.echoes and upstream is not None else None
        inputs = self._inputs(steps, first + 1).repeat(twice, 1, 1) + aligned[:, : first + 1]
        if echoed is not None:
            inputs = inputs + self.echo(steps.repeat(twice, 1, 1), echoed[:, :, : first + 1])
        hidden = self.transformer(torch.cat([prefix, inputs], dim=1), cache)[:, -1]
        for step in range(first, len(table.code)):
            logits = self._logits(hidden, step)
            codes = choice(step, apply_guidance(logits, guidance) if twice == 2 else logits)
            if isinstance(choice, CodeSampler):
                codes = choice.recheck_close(codes, exact.after(steps, step))
            steps[:, step] = torch.where(fixed[step], steps[:, step], codes + self._offsets(step))
            if step + 1 < len(table.code):
                added = aligned[:, min(step + 1, aligned.shape[1] - 1)]
                if echoed is not None:
                    added = added + self.echo(steps.repeat(twice, 1, 1), echoed[:, :, step + 1 : step + 2])[:, 0]
                hidden = self._advance(cache, steps[:, step], added, twice)
        return collect(steps, table) - self._first_ids()[:, None]

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
            inputs = inputs * _past_dropout_mask(inputs, self.config.past_dropout)
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

    def _advance(
        self, cache: Cache, tokens: Int[Tensor, "batch slots"], aligned: Float[Tensor, "items width"], twice: int
    ) -> Float[Tensor, "all width"]:
        inputs = self.lift(self.table(tokens).flatten(1))
        return cache.step((inputs if twice == 1 else inputs.repeat(2, 1)) + aligned)

    def _logits(self, hidden: Float[Tensor, "batch width"], step: int) -> Float[Tensor, "batch slots codes"]:
        heads: Tensor = self.heads
        bias: Tensor = self.bias
        if self.config.pattern == "flattened":
            level = step % self.config.n_quantizers
            heads, bias = heads[level : level + 1], bias[level : level + 1]
        projected = self.drop(hidden).view(len(hidden), len(heads), -1).transpose(0, 1)
        return torch.baddbmm(bias[:, None], projected, heads.transpose(1, 2)).transpose(0, 1)

    def _plan(
        self, table: Layout, frames: int, known: Tensor | None, batch: int
    ) -> tuple[Int[Tensor, "batch steps slots"], Bool[Tensor, "steps slots"], int]:
        """The steps so far, which of their slots are fixed (known or empty), and the first step to fill."""
        device = self.heads.device
        grid = torch.zeros(batch, self.config.n_quantizers, frames, dtype=torch.long, device=device)
        done = 0 if known is None else known.shape[2]
        if known is not None:
            grid[:, :, :done] = known
        fixed = (table.code < 0) | (table.code % frames < done)
        open_steps = (~fixed).any(1).nonzero()
        if len(open_steps) == 0:
            raise ValueError("all frames are known already")
        return self._arrange(grid, table), fixed.to(device), int(open_steps[0])

    def _arrange(self, codes: Tensor, table: Layout) -> Int[Tensor, "batch steps slots"]:
        ids = self.space.encode(self.config.family, codes, self.config.first_quantizer)
        return arrange(ids, table, self.space.special("empty"))

    def _layout(self, frames: int) -> Layout:
        return layout(self.config.pattern, self.config.n_quantizers, frames)

    def _first_ids(self) -> Int[Tensor, " quantizers"]:
        """Id of code 0 of each predicted quantizer."""
        zeros = torch.zeros(self.config.n_quantizers, 1, dtype=torch.long, device=self.heads.device)
        return self.space.encode(self.config.family, zeros, self.config.first_quantizer)[:, 0]

    def _offsets(self, step: int) -> Int[Tensor, " slots"]:
        ids = self._first_ids()
        return ids[step % self.config.n_quantizers][None] if self.config.pattern == "flattened" else ids


def _past_dropout_mask(
    inputs: Float[Tensor, "batch steps width"], past_dropout: float
) -> Float[Tensor, "batch steps 1"]:
    """Random mask of past steps: an example keeps all of them, or each with a random probability; always the start."""
    hidden_share = torch.rand(len(inputs), 1, device=inputs.device)
    hidden_share = torch.where(torch.rand_like(hidden_share) < past_dropout, hidden_share, 0.0)
    kept = torch.rand(inputs.shape[:2], device=inputs.device) >= hidden_share
    kept[:, 0] = True
    return kept[..., None].to(inputs.dtype)


def _with_token_noise(
    codes: Int[Tensor, "batch quantizers frames"], probability: float
) -> Int[Tensor, "batch quantizers frames"]:
    """Token noise: some examples begin as their neighbour does, up to a random frame, with the given probability."""
    batch, _, frames = codes.shape
    end = torch.randint(frames + 1, (batch, 1, 1), device=codes.device)
    noisy = (torch.rand(batch, 1, 1, device=codes.device) < probability) & (
        torch.arange(frames, device=codes.device) < end
    )
    return torch.where(noisy, codes.roll(1, 0), codes)
