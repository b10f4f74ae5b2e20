"""One stage: conditions before, a pattern of codes after; the same prefix in training and in sampling."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ..codec_parts.pretrained import Pretrained
from .config import StageConfig
from .exact import ExactLogits
from .patterns import Layout, arrange, collect, layout
from .sampling import Draws, Randomness, Sampling, guided
from .transformer import Cache, Transformer

Choice = Callable[[int, Float[Tensor, "batch slots codes"]], Int[Tensor, "batch slots"]]
"""(step, logits) -> the codes of the step's slots."""


class Condition(NamedTuple):
    """An embedding as the stages see it, and what of it each item may see (tokens, vector)."""

    tokens: Int[Tensor, "batch levels"]
    vector: Float[Tensor, "batch dims"]
    shown: Bool[Tensor, "batch 2"]

    def null(self) -> "Condition":
        """The same with everything withheld."""
        return self._replace(shown=torch.zeros_like(self.shown))

    def beside_null(self) -> "Condition":
        """All items, then all of them again with everything withheld: what :func:`.sampling.guided` takes apart."""
        return Condition(*(torch.cat(pair) for pair in zip(self, self.null(), strict=True)))

    def to(self, device: torch.device) -> "Condition":
        """The same on a device."""
        return Condition(*(each.to(device) for each in self))

    @classmethod
    def stack(cls, conditions: Sequence["Condition"]) -> "Condition":
        """The items of several, one after the other."""
        return cls(*(torch.cat(parts) for parts in zip(*conditions, strict=True)))

    def item(self, row: int) -> "Condition":
        """One item alone."""
        return Condition(*(each[row : row + 1] for each in self))

    def double(self) -> "Condition":
        """The same in double precision."""
        return self._replace(vector=self.vector.double())

    def repeat(self, times: int) -> "Condition":
        """Each item ``times`` times in a row."""
        return Condition(*(each.repeat_interleave(times, dim=0) for each in self))


class Stage(Pretrained):
    """p(codes | condition, given), a code at a time (MusicLM, section 3.2)."""

    Config = StageConfig

    def __init__(self, config: StageConfig) -> None:
        super().__init__()
        self.config, self.space = config, config.space
        slots = 1 if config.pattern == "flattened" else config.levels
        wide = config.table == config.width and slots == 1
        self.table = nn.Embedding(self.space.size, config.table)
        self.lift = nn.Identity() if wide else nn.Linear(slots * config.table, config.width, bias=False)
        self.lift_given = nn.Identity() if wide else nn.Linear(config.table, config.width, bias=False)
        self.transformer = Transformer(config.layers, config.heads, config.width, config.hidden, config.dropout)
        self.drop = nn.Identity() if wide else nn.Linear(config.width, slots * config.table, bias=False)
        self.heads = nn.Parameter(torch.randn(config.levels, config.codes, config.table) * config.table**-0.5)
        self.bias = nn.Parameter(torch.zeros(config.levels, config.codes))
        if "vector" in config.condition:
            self.vector = nn.Linear(config.embedding, config.width)
            self.no_vector = nn.Parameter(torch.randn(config.width))
        nn.init.normal_(self.table.weight, std=1.0 if not wide else 0.02)

    def forward(
        self,
        condition: Condition | None,
        given: Int[Tensor, "batch given_levels given_frames"] | None,
        codes: Int[Tensor, "batch levels frames"],
    ) -> Float[Tensor, "batch levels frames"]:
        """log p of every predicted code, given all before it in the pattern; conditions carry no loss."""
        heard = _mistaken(codes, self.config.mistaken) if self.training and self.config.mistaken else codes
        scores, aims = self._scores(condition, given, heard), codes.transpose(0, 1)  # levels first
        loss = functional.cross_entropy(scores.flatten(0, 1).float(), aims.flatten(), reduction="none")
        return -loss.view_as(aims).transpose(0, 1)

    def logits(
        self,
        condition: Condition | None,
        given: Int[Tensor, "batch given_levels given_frames"] | None,
        codes: Int[Tensor, "batch levels frames"],
    ) -> Float[Tensor, "batch levels frames codes"]:
        """Of what could stand in the place of every code, given all before it in the pattern."""
        scores = self._scores(condition, given, codes)
        return scores.unflatten(1, (codes.shape[0], codes.shape[2])).transpose(0, 1)

    @torch.no_grad()
    def begin(self, codebooks: Float[Tensor, "all_levels codes table"], shares: Float[Tensor, "levels codes"]) -> None:
        """Begin from what the codec knows of its codes: where they lie, and how often each occurs.

        Inputs are then the vectors that the codes stand for, on one scale, and outputs are chosen by their direction:
        codes that sound alike are alike before any training. Nothing is held there.
        """
        config, scale = self.config, codebooks[0].square().mean().sqrt()
        levels = range(config.first_level + config.levels)
        ids = self.space.encode(config.family, torch.arange(config.codes).expand(len(levels), -1))
        self.table.weight[ids] = (codebooks[: len(levels)] / scale).to(self.table.weight)
        own = codebooks[config.first_level : len(levels)]
        self.heads.copy_(own / own.square().sum(2, keepdim=True).mean(1, keepdim=True).sqrt())
        self.bias.copy_((shares + 1 / config.codes**2).log())
        for linear, size in ((self.lift, config.table), (self.drop, config.width)):
            if isinstance(linear, nn.Linear):
                nn.init.normal_(linear.weight, std=0.5 * size**-0.5 if linear is self.lift else 0.02 * size**-0.5)

    @torch.inference_mode()
    def sample(
        self,
        condition: Condition | None,
        given: Int[Tensor, "batch given_levels given_frames"] | None,
        frames: int,
        sampling: Sampling,
        generator: Randomness,
        known: Int[Tensor, "batch levels known_frames"] | None = None,
    ) -> Int[Tensor, "batch levels frames"]:
        """Codes of ``frames`` frames; the first are ``known``, where some are.

        Guidance other than 1 doubles the batch by the null condition; a stage without conditions ignores it. With a
        generator for each item, an item's codes do not depend on those beside it.
        """
        guidance = sampling.guidance if self.config.condition else 1.0
        return self.walk(condition, given, frames, Draws(sampling, generator), known, guidance)

    @torch.inference_mode()
    def walk(
        self,
        condition: Condition | None,
        given: Int[Tensor, "batch given_levels given_frames"] | None,
        frames: int,
        choice: Choice,
        known: Int[Tensor, "batch levels known_frames"] | None = None,
        guidance: float = 1.0,
    ) -> Int[Tensor, "batch levels frames"]:
        """Step through the pattern with a cache, asking ``choice`` for the codes of every step not yet known."""
        exact = ExactLogits(self, condition, given, frames, guidance)
        if condition is not None and guidance != 1.0:
            condition = condition.beside_null()
            given = None if given is None else given.repeat(2, 1, 1)
        table, twice = self._layout(frames), 2 if guidance != 1.0 else 1
        prefix, aligned = self.prefix(condition, given), self._aligned(condition, given, table)
        steps, fixed, first = self._plan(table, frames, known, len(prefix) // twice)
        cache = self.transformer.begin(len(prefix), prefix.shape[1] + len(table.code))
        inputs = self._inputs(steps, first + 1).repeat(twice, 1, 1) + aligned[:, : first + 1]
        hidden = self.transformer(torch.cat([prefix, inputs], dim=1), cache)[:, -1]
        for step in range(first, len(table.code)):
            logits = self._logits(hidden, step)
            codes = choice(step, guided(logits, guidance) if twice == 2 else logits)
            if isinstance(choice, Draws):
                codes = choice.settled(codes, exact.after(steps, step))
            steps[:, step] = torch.where(fixed[step], steps[:, step], codes + self._offsets(step))
            if step + 1 < len(table.code):
                hidden = self._advance(cache, steps[:, step], aligned[:, min(step + 1, aligned.shape[1] - 1)], twice)
        return collect(steps, table) - self._first_ids()[:, None]

    def _scores(
        self,
        condition: Condition | None,
        given: Int[Tensor, "batch given_levels given_frames"] | None,
        codes: Int[Tensor, "batch levels frames"],
    ) -> Float[Tensor, "levels batch*frames codes"]:
        """:meth:`logits`, levels first, as they come out of the product: nothing so large is copied."""
        table = self._layout(codes.shape[2])
        prefix = self.prefix(condition, given)
        inputs = self._inputs(self._arrange(codes, table), len(table.code))
        if self.training and self.config.forgotten:
            inputs = inputs * _remembered(inputs, self.config.forgotten)
        inputs = inputs + self._aligned(condition, given, table)
        hidden = self.transformer(torch.cat([prefix, inputs], dim=1))[:, prefix.shape[1] :]
        chosen_by = self.drop(hidden).unflatten(2, (-1, self.config.table))  # (batch, steps, slots, table)
        at_codes = chosen_by[:, table.step.to(hidden.device), table.slot.to(hidden.device)].transpose(0, 1)
        return torch.baddbmm(self.bias[:, None], at_codes.flatten(1, 2), self.heads.transpose(1, 2))

    def prefix(
        self, condition: Condition | None, given: Int[Tensor, "batch given_levels given_frames"] | None
    ) -> Float[Tensor, "batch prefix width"]:
        """What precedes the predicted segment: the condition's tokens, its vector, and given tokens if put there."""
        parts: list[Tensor] = []
        if condition is not None and "tokens" in self.config.condition:
            ids = self.space.encode("condition", condition.tokens[..., None])[..., 0]
            shown = condition.shown[:, :1]
            parts.append(self.lift_given(self.table(torch.where(shown, ids, self.space.special("null")))))
        if condition is not None and "vector" in self.config.condition:
            parts.append(self._projected(condition))
        if given is not None and self.config.given_as == "prefix":
            ids = self.space.encode(self.config.given, given)
            parts.append(self.lift_given(self.table(ids.transpose(1, 2).flatten(1))))
        if not parts:
            if given is None:
                raise ValueError(f"the {self.config.name} stage was given nothing to go by")
            parts.append(self.heads.new_zeros(len(given), 0, self.config.width))
        return torch.cat(parts, dim=1)

    def _projected(self, condition: Condition) -> Float[Tensor, "batch 1 width"]:
        """The condition's vector, or what stands for one that is withheld."""
        scaled = condition.vector * self.config.embedding**0.5  # unit vectors to unit variance
        return torch.where(condition.shown[:, 1:], self.vector(scaled), self.no_vector)[:, None]

    def _aligned(
        self, condition: Condition | None, given: Tensor | None, table: Layout
    ) -> Float[Tensor, "batch steps width"]:
        """What is added to every step: the condition, and what is known of the frame that it predicts.

        One step stands for all where they are alike, and one item of zeros where there is nothing to add.
        """
        frames = self._given_frames(given, table)
        if condition is None or not self.config.everywhere:
            return frames
        return frames + self._projected(condition)

    def _given_frames(self, given: Tensor | None, table: Layout) -> Float[Tensor, "items steps width"]:
        if given is None or self.config.given_as == "prefix":
            return self.heads.new_zeros(1, 1, self.config.width)
        ids = self.space.encode(self.config.given, given)
        frames = (table.frame // self.config.given_repeat).clamp(max=given.shape[2] - 1).to(given.device)
        return self.lift_given(self.table(ids).sum(1))[:, frames]

    def _inputs(self, steps: Int[Tensor, "batch steps slots"], count: int) -> Float[Tensor, "batch count width"]:
        """The inputs of the first ``count`` predictions: the start, then each step's tokens."""
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
            level = step % self.config.levels
            heads, bias = heads[level : level + 1], bias[level : level + 1]
        chosen_by = self.drop(hidden).view(len(hidden), len(heads), -1).transpose(0, 1)
        return torch.baddbmm(bias[:, None], chosen_by, heads.transpose(1, 2)).transpose(0, 1)

    def _plan(
        self, table: Layout, frames: int, known: Tensor | None, batch: int
    ) -> tuple[Int[Tensor, "batch steps slots"], Bool[Tensor, "steps slots"], int]:
        """The steps so far, which slots of them are fixed (known, or empty), and the first step with one to fill."""
        device = self.heads.device
        grid = torch.zeros(batch, self.config.levels, frames, dtype=torch.long, device=device)
        done = 0 if known is None else known.shape[2]
        if known is not None:
            grid[:, :, :done] = known
        fixed = (table.code < 0) | (table.code % frames < done)
        open_steps = (~fixed).any(1).nonzero()
        if len(open_steps) == 0:
            raise ValueError("every frame asked for is known already")
        return self._arrange(grid, table), fixed.to(device), int(open_steps[0])

    def _arrange(self, codes: Tensor, table: Layout) -> Int[Tensor, "batch steps slots"]:
        ids = self.space.encode(self.config.family, codes, self.config.first_level)
        return arrange(ids, table, self.space.special("empty"))

    def _layout(self, frames: int) -> Layout:
        return layout(self.config.pattern, self.config.levels, frames)

    def _first_ids(self) -> Int[Tensor, " levels"]:
        """The id of each predicted level's code 0."""
        zeros = torch.zeros(self.config.levels, 1, dtype=torch.long, device=self.heads.device)
        return self.space.encode(self.config.family, zeros, self.config.first_level)[:, 0]

    def _offsets(self, step: int) -> Int[Tensor, " slots"]:
        ids = self._first_ids()
        return ids[step % self.config.levels][None] if self.config.pattern == "flattened" else ids


def _remembered(inputs: Float[Tensor, "batch steps width"], forgotten: float) -> Float[Tensor, "batch steps 1"]:
    """1 for the steps that an example remembers: all of them, or each with a chance of its own; never not the start."""
    hidden_share = torch.rand(len(inputs), 1, device=inputs.device)
    hidden_share = torch.where(torch.rand_like(hidden_share) < forgotten, hidden_share, 0.0)
    kept = torch.rand(inputs.shape[:2], device=inputs.device) >= hidden_share
    kept[:, 0] = True
    return kept[..., None].to(inputs.dtype)


def _mistaken(codes: Int[Tensor, "batch levels frames"], chance: float) -> Int[Tensor, "batch levels frames"]:
    """The same, but some examples, each with this chance, begin as their neighbour does, up to a frame of their own."""
    batch, _, frames = codes.shape
    end = torch.randint(frames + 1, (batch, 1, 1), device=codes.device)
    wrong = (torch.rand(batch, 1, 1, device=codes.device) < chance) & (torch.arange(frames, device=codes.device) < end)
    return torch.where(wrong, codes.roll(1, 0), codes)
