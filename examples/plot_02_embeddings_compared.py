"""
Four embeddings compared
========================

Which embedding of music can be read best from a brain? Four are decoded from the same responses: a joint space of
music and text (mulan-small), a tagger's features (musicnn), timbre and harmony (MFCC and chroma), and the mean spectrum
(log-mel). The brain is simulated, and tuned to none of them.
"""

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

EMBEDDINGS = {
    "mulan-small": "MuLan (music and text)",
    "musicnn-mtt": "musicnn (tags)",
    "mfcc-chroma": "MFCC and chroma",
    "logmel": "log-mel spectrum",
}

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)

# %%
# One decoder per embedding, of one kind. Identification asks in each embedding's own space whether a prediction is
# closer to the clip that was heard than to another.

decoded, scores = {}, {}
for name in EMBEDDINGS:
    music = study.embed(name)
    decoded[name] = b2m.Decoder("whitened", standardise=True).fit(bold.train, music).predict(bold.test)
    scores[name] = b2m.metrics.identification(decoded[name], music)
    print(f"{name:16} {music.space.dims:4} dims   identification {scores[name].value:.3f}, p = {scores[name].p:.4f}")

# %%
# Identification among all clips, and among the two clips of a genre, which only what distinguishes pieces within a
# genre can tell apart.

genres = [clip.genre for clip in bold.test.clips]
rng = np.random.default_rng(0)
sides, within = {}, {}
for name, each in decoded.items():
    truth = each.truth(study.embed(name))
    sides[name] = each.mean - each.train_mean, truth - each.train_mean
    within[name] = b2m.metrics.within_group(b2m.metrics.similarity(*sides[name]), genres)

figure, axes = plt.subplots(figsize=(7.6, 3.2))
for row, name in enumerate(EMBEDDINGS):
    among_all = scores[name].value, (scores[name].low, scores[name].high)
    among_genre = within[name].mean(), b2m.metrics.bootstrap_interval(within[name], rng)
    for colour, offset, (value, (low, high)), label in (
        ("C0", -0.14, among_all, "among all 20 clips"),
        ("C1", 0.14, among_genre, "among the 2 clips of a genre"),
    ):
        axes.plot([low, high], [row + offset] * 2, color=colour, linewidth=4, alpha=0.35)
        axes.plot(value, row + offset, "o", color=colour, label=label if row == 0 else None)
axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_yticks(range(len(EMBEDDINGS)), EMBEDDINGS.values())
axes.invert_yaxis()
axes.set(xlabel="two-way identification, with 95 % interval over clips", xlim=(0.2, 1.02))
axes.set_title("Four embeddings decoded from one simulated brain")
axes.legend(loc="lower left", bbox_to_anchor=(-0.3, 1.08), ncols=4)
plt.show()

# %%
# The same in pictures: how similar the 20 clips are to one another in each embedding, and how similar what was decoded
# is to each. The more of a true pattern is in the decoded one, the more of the embedding the brain knows.

order = np.argsort(genres, kind="stable")
figure, grid = plt.subplots(2, 4, figsize=(9.6, 5.0), sharex=True, sharey=True)
for (name, label), (top, bottom) in zip(EMBEDDINGS.items(), grid.T, strict=True):
    predicted, true = (side[order] for side in sides[name])
    for axes, rows in ((top, true), (bottom, predicted)):
        similarity = b2m.metrics.similarity(rows, true)
        image = axes.imshow(similarity, cmap="PuOr_r", vmin=-1, vmax=1, aspect="equal")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    top.set_title(label, fontsize=9.5)
    upper = np.triu_indices(len(order), 1)
    patterns = [b2m.metrics.similarity(rows, rows)[upper] for rows in (predicted, true)]
    bottom.set_xlabel(f"patterns correlate: {np.corrcoef(*patterns)[0, 1]:.2f}", fontsize=9)
grid[0, 0].set_ylabel("true clips, by genre")
grid[1, 0].set_ylabel("decoded clips, by genre")
figure.colorbar(image, ax=grid, label="correlation over dimensions", shrink=0.6)
figure.suptitle("Similarity of the 20 test clips to the true ones, simulated brain")
plt.show()
