"""
Decode a subject by decoders of others
======================================

No two brains have the same voxels. But people who heard the same music can be aligned by their responses to it, and
then a decoder that was fitted to some of them reads another. Three simulated subjects share half of their tuning; each
is decoded by its own decoder, and by one that was fitted to the two others.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small", n_subjects=3)
music = study.embed("mulan-small")
bold = [study.responses(subject, lag_tr=3) for subject in study.subjects]
train, test = [each.train for each in bold], [each.test for each in bold]
print(f"{study.name}: {', '.join(f'sub-{subject}' for subject in study.subjects)}")

# %%
# Training responses align the subjects in a common space: the shared response model (SRM), or a rotation of principal
# components (Procrustes). The decoder of each subject is fitted to the others, and never sees how this subject's
# responses go with the music.

decoder = b2m.Decoder("whitened")
predictions = {
    "own decoder": [decoder.fit(each.train, music).predict(each.test) for each in bold],
    "the others, by SRM": b2m.predict_between_subjects(decoder, train, test, music),
    "the others, by Procrustes": b2m.predict_between_subjects(decoder, train, test, music, alignment="procrustes"),
    "all together, by SRM": b2m.predict_between_subjects(decoder, train, test, music, include_own=True),
}
scores = {
    label: [b2m.metrics.identification(each, music) for each in decoded] for label, decoded in predictions.items()
}
for label, of_subjects in scores.items():
    print(f"{label:26} {'  '.join(f'{score.value:.3f} (p {score.p:.4f})' for score in of_subjects)}")

# %%
# Intervals are over the 20 test clips.

figure, axes = plt.subplots(figsize=(7.6, 3.6))
offsets = np.linspace(-0.27, 0.27, len(scores))
for (label, of_subjects), offset, colour in zip(scores.items(), offsets, ("C8", "C0", "C1", "C2"), strict=True):
    at = np.arange(len(study.subjects)) + offset
    axes.hlines(at, [s.low for s in of_subjects], [s.high for s in of_subjects], color=colour, linewidth=4, alpha=0.35)
    axes.plot([s.value for s in of_subjects], at, "o", color=colour, label=label)
axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_yticks(range(len(study.subjects)), [f"sub-{subject}" for subject in study.subjects])
axes.invert_yaxis()
axes.set(xlabel="two-way identification, with 95 % interval over clips", xlim=(0.3, 1.02))
axes.set_title("Within and between subjects, simulated brains")
axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.06), ncols=3)
plt.show()

# %%
# The common space has few components: only what the subjects share can be aligned. As a control, the responses of the
# decoded subject are aligned in an order of clips that is not that of the others: then its voxels get the wrong place
# in the common space, and its test clips are at chance.


def mean_score(train: list, n_components: int) -> float:
    """Identification of the first subject by the two others."""
    decoded = b2m.predict_between_subjects(decoder, train, test, music, n_components=n_components)
    return b2m.metrics.identification(decoded[0], music, n_permutations=100).value


components = (2, 5, 10, 20, 50)
rng = np.random.default_rng(0)
order = rng.permutation(len(train[0]))
wrong = [replace(train[0], data=train[0].data[order], repeats=None), *train[1:]]
curves = {
    "aligned": [mean_score(train, number) for number in components],
    "aligned in a wrong order of clips": [mean_score(wrong, number) for number in components],
}

figure, axes = plt.subplots(figsize=(6.2, 3.6))
for (label, values), colour in zip(curves.items(), ("C0", "C7"), strict=True):
    axes.semilogx(components, values, "o-", color=colour, label=label)
axes.axhline(scores["own decoder"][0].value, color="C8", linestyle=":", label="own decoder")
axes.axhline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axhline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_xticks(components, components)
axes.minorticks_off()
axes.set(xlabel="components of the common space", ylabel="two-way identification", ylim=(0.2, 1.04))
axes.set_title("sub-001 decoded by the two others, simulated brains")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
