"""
Decode music, and identify it
=============================

A subject listened to 60 clips for training and to 20 clips for testing, each of 12 s. A decoder learns to predict the
music embedding of a clip from the fMRI responses to it; then it is asked which of the 20 test clips was heard. The
brain is simulated, the music composed by rule, so that this runs anywhere.
"""

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

# %%
# The study is simulated once and then found in the cache. Its responses are taken three scans (4.5 s) after the sound,
# which is about the time that blood flow takes to follow. There is one embedding per window of 10 s, every 1.5 s.

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)
music = study.embed("mulan-small")
print(f"{study.name}: responses {bold.train.data.shape} and {bold.test.data.shape} (clips, scans, voxels)")
print(f"embeddings {music.data.shape} (clips, windows, dims)")

# %%
# Ridge regression from the voxels that the music predicts best, after which no direction of the embedding drowns out
# the others:

decoder = b2m.Decoder("selected+whitened").fit(bold.train, music)
decoded = decoder.predict(bold.test)
score = b2m.metrics.identification(decoded, music)
print(f"two-way identification {score.value:.3f} [{score.low:.3f}, {score.high:.3f}], p = {score.p:.4f}, n = {score.n}")

# %%
# Each row below is a prediction, each column the true embedding of a test clip. If predictions were right, each row
# would be brightest on the diagonal. Clips of a genre are neighbours: most confusions are among them.

similarity = b2m.metrics.similarity(decoded.mean - decoded.train_mean, decoded.truth(music) - decoded.train_mean)
genres = np.array([clip.genre for clip in decoded.clips])
order = np.argsort(genres, kind="stable")
ordered = similarity[np.ix_(order, order)]

figure, (matrix, bars) = plt.subplots(1, 2, figsize=(9.2, 4.9), width_ratios=(1.25, 1), sharey=True)
image = matrix.imshow(ordered, cmap="PuOr_r", vmin=-0.5, vmax=0.5, aspect="equal")
matrix.plot(ordered.argmax(axis=1), range(len(order)), ".", color="#1b1f24", label="most similar clip")
matrix.set_yticks(range(len(order)), genres[order], fontsize=8)
matrix.set_xticks(range(len(order)), genres[order], fontsize=8, rotation=90)
matrix.set(xlabel="true embedding of a clip", ylabel="decoded from the response to a clip")
matrix.spines[:].set_visible(False)
matrix.set_title("similarity of decoded with true embeddings")
matrix.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.24))
figure.colorbar(image, ax=matrix, label="correlation over dimensions", shrink=0.7)

ranks = b2m.metrics.ranks(similarity)[order]
bars.barh(range(len(order)), ranks, color="C0", height=0.65)
bars.axvline((len(order) + 1) / 2, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
bars.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
bars.set(xlabel="rank of the clip that was heard (1 is best)", xlim=(0, len(order)))
bars.set_title("where the right clip is found")
bars.legend(loc="lower right")
figure.suptitle("Identification of 20 test clips, simulated brain")
plt.show()

# %%
# One number hides a lot: whether the genre was recognised, or the clip itself. Each score has a chance level and an
# interval over clips; a perfect decoder would have 1 in all of them.

rng = np.random.default_rng(0)
scores = {
    "beats another clip": (np.mean(b2m.metrics.identification_by_clip(similarity)), 1 / 2, (score.low, score.high)),
}
for name, values, chance in (
    ("beats the other clip of its genre", b2m.metrics.within_group(similarity, list(genres)), 1 / 2),
    ("best of 10", b2m.metrics.n_way(similarity, 10), 1 / 10),
    ("among the best 5 of 20", b2m.metrics.top_k(similarity, 5), 5 / 20),
    ("best of 20", b2m.metrics.top_k(similarity, 1), 1 / 20),
):
    scores[name] = (values.mean(), chance, b2m.metrics.bootstrap_interval(values, rng))

figure, axes = plt.subplots(figsize=(7.2, 3.0))
for row, (value, chance, (low, high)) in enumerate(scores.values()):
    axes.plot([low, high], [row, row], color="C0", linewidth=5, alpha=0.35)
    axes.plot(value, row, "o", color="C0", label="decoded" if row == 0 else None)
    axes.plot([chance] * 2, [row - 0.35, row + 0.35], color="#1b1f24", linestyle=(0, (2, 1.5)), linewidth=1.2)
    axes.annotate(f"{value:.2f}", (value, row), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8)
axes.plot([], [], color="#1b1f24", linestyle=(0, (2, 1.5)), linewidth=1.2, label="chance")
axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_yticks(range(len(scores)), scores)
axes.invert_yaxis()
axes.set(xlabel="share of clips, with 95 % interval over clips", xlim=(0, 1.02))
axes.set_title("What was identified, simulated brain, 20 test clips")
axes.legend(loc="lower left", bbox_to_anchor=(0, 1.08), ncols=3)
plt.show()
