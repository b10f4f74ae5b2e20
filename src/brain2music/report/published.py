"""What was published about ds003720: Brain2Music's tables and the axes of its figures, and the figures of later work.

Bar heights of Figs. 4 and 7a, and any number per subject, were not published: what stands here as None has no number to
be compared with, only what is said in words.
"""

from dataclasses import dataclass

PAPER = "Denk, Takagi et al. 2023 (arXiv 2307.11078)"
SUBJECTS = 5
DIGITISED = "read off the rebuttal's figure (± 0.003), not stated"


@dataclass(frozen=True)
class Target:
    """A target embedding of the paper: properties (Table 1), scores as mean and SD over five subjects (Table 2).

    ``ours`` : names of embeddings that stand for it, best first.
    """

    name: str
    dims: int
    windows: int
    hz: float | None
    window_s: float
    identification: tuple[float, float]
    correlation: tuple[float, float]
    trained: tuple[float, float]
    ours: tuple[str, ...]


TARGETS = (
    Target(
        "SoundStream-avg", 128, 10, 50.0, 1.5, (0.674, 0.016), (0.184, 0.020), (0.764, 0.029),
        ("soundstream-avg", "encodec-avg", "dac-avg", "lyra-avg"),
    ),
    Target(
        "w2v-BERT-avg", 1024, 7, 25.0, 5.0, (0.837, 0.005), (0.113, 0.003), (0.941, 0.007),
        ("w2v-bert-avg", "w2v-bert-2-avg", "mert-avg", "muq-avg", "hubert-avg"),
    ),
    Target(
        "MuLan_text", 128, 1, None, 15.0, (0.817, 0.014), (0.181, 0.012), (0.877, 0.009), ("mulan-text",),
    ),
    Target(
        "MuLan_music", 128, 4, 0.67, 10.0, (0.876, 0.015), (0.307, 0.016), (0.992, 0.003),
        ("mulan-small", "muq-mulan", "clap-music", "clap-musicldm", "musicnn-msd", "musicnn-mtt", "musicnn-msd-vgg",
         "musicnn-mtt-vgg"),
    ),
)  # fmt: skip
"""Rows of Tables 1 and 2, in the paper's order."""


@dataclass(frozen=True)
class FollowUp:
    """A figure of later work on the same data, the row of ours that is nearest to it, and what was different there."""

    what: str
    stage: str
    metric: str
    value: float
    spread: str
    source: str
    different: str


FOLLOW_UPS = (
    FollowUp(
        "two-way identification, predicted from the brain", "decode", "identification", 0.914, "± 0.019",
        "Ciferri et al. 2025, Sci Rep",
        "CLAP as target, lag 3 TR, whole-clip mean, subjects aligned functionally and pooled; the voxel threshold was "
        "chosen to maximise decoding results",
    ),
    FollowUp(
        "song top-1 of 60", "decode", "top1", 0.293, "", "Optimal transport and contrastive learning, Ciferri et al., "
        "EMBC 2025 (abstract)",
        "CLAP as target; optimal transport with a contrastive loss; the pool of 60 is inferred from its other numbers",
    ),
    FollowUp(
        "ten-way top-1", "decode", "10_way", 0.434, "0.388 to 0.532 over subjects", "RAG-Audio 2026 (arXiv 2608.09331)",
        "CLAP as target and another CLAP checkpoint as judge, InfoNCE network on the 2,000 voxels that correlate most",
    ),
    FollowUp(
        "two-way identification after generation", "generate", "identification", 0.823, "± 0.029",
        "Ciferri et al. 2025, Sci Rep",
        "the best of 100 generated candidates by an encoding model's likelihood (0.741 for one); judged by CLAP",
    ),
)  # fmt: skip

ROIS = {
    "A1": 0.365, "LBelt": 0.409, "PBelt": 0.428, "A4": 0.344, "A5": 0.278,
}  # fmt: skip
"""Mean r of MuLan_music per auditory region, digitised from the rebuttal's figure."""
MOST_R = {"MuLan_music": 0.84, "w2v-BERT-avg": 0.78, "MuLan_text": 0.72}
"""Largest r of a voxel of subject 1, read off density plots (± 0.02)."""
MOOD_ORACLE = 0.78
"""The oracle's agreement of the most probable mood is at most this (Fig. 4b)."""
