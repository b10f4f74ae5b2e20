"""
Bring your own arrays
=====================

No BIDS study is needed: responses may be an array of clips × scans × voxels (or clips × voxels), embeddings an array of
clips × windows × dims (or clips × dims), both with the same clips in the same order. Here both are simulated with
known truth: music of 12 dimensions, of which 300 voxels follow different mixtures, some well and some not at all.
"""

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

# %%
# 160 clips of 10 scans. The embedding has a window of four scans at every scan, so seven windows per clip: window j is
# paired with the mean of scans j to j + 3. Arrays tell no times, so a window must start at every scan; if yours do not,
# give one vector per clip. A response is the sum of what a voxel follows and of noise.

rng = np.random.default_rng(3)
n_clips, n_scans, n_voxels, n_dims = 160, 10, 300, 12
course = rng.standard_normal((n_clips, 1, n_dims)) + 0.7 * rng.standard_normal((n_clips, n_scans, n_dims))
music = np.stack([course[:, first : first + 4].mean(axis=1) for first in range(7)], axis=1)
signal = np.linspace(0, 2.0, n_voxels)  # voxels from deaf to responsive
weights = rng.standard_normal((n_dims, n_voxels)) / np.sqrt(n_dims)
bold = signal * (course @ weights) + 6.0 * rng.standard_normal((n_clips, n_scans, n_voxels))
print(f"responses {bold.shape}, embeddings {music.shape}")

# %%
# Decoding: from arrays to a score in three lines. Rows of both arrays are the same clips; the last 40 are for testing.

train, test = slice(0, 120), slice(120, 160)
decoder = b2m.Decoder("ridge").fit(bold[train], music[train])
decoded = decoder.predict(bold[test])
score = b2m.metrics.identification(decoded, music[test])
print(f"identification {score.value:.3f} [{score.low:.3f}, {score.high:.3f}], p = {score.p:.4f}, n = {score.n}")

# %%
# Encoding: r of every voxel, with p against permuted clips. As the truth is known here, so is the ceiling: the
# correlation of measured with noiseless responses.

encoder = b2m.Encoder().fit(music[train], bold[train])
voxels = encoder.score(bold[test], music[test], n_permutations=2000)

predicted, true = decoded.mean, music[test].mean(axis=1)
figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.7))
correlation = [np.corrcoef(predicted[:, dim], true[:, dim])[0, 1] for dim in range(n_dims)]
left.bar(np.arange(n_dims), correlation, color="C0", width=0.7)
left.axhline(1, color="#7d8590", linewidth=1, label="ceiling")
left.axhline(0, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
left.set(xlabel="dimension of the embedding", ylabel="correlation over 40 test clips", ylim=(-0.1, 1.05))
left.set_title("decoding")
left.legend(loc="lower left", bbox_to_anchor=(0.3, 0.98), ncols=2)

windowed = np.stack([bold[:, first : first + 4].mean(axis=1) for first in range(7)], axis=1)[test]
noiseless = (signal * (music @ weights))[test]
flat = [side.reshape(-1, n_voxels) for side in (windowed, noiseless)]
with np.errstate(invalid="ignore", divide="ignore"):
    ceiling = np.array([np.corrcoef(flat[0][:, v], flat[1][:, v])[0, 1] for v in range(n_voxels)])
significant = voxels.q < 0.05
right.plot(ceiling[~significant], voxels.r[~significant], ".", color="#aab1b8", label="q ≥ 0.05")
right.plot(ceiling[significant], voxels.r[significant], ".", color="C0", label="q < 0.05")
right.plot([0, 0.8], [0, 0.8], color="#7d8590", linewidth=1, label="ceiling")
right.axhline(0, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
right.set(xlabel="planted noise ceiling of a voxel (r)", ylabel="r of the prediction over test clips")
right.set_title("encoding")
right.legend(loc="upper left")
figure.suptitle("Decoding and encoding of simulated arrays")
plt.show()

# %%
# With groups and without a test set: ``cross_val_predict`` decodes every clip by a decoder fitted without it, and
# ``groups`` keeps clips of an artist in one fold. Clips of an artist are alike here, and so are the responses to them;
# if folds divide them, the decoder learns the artist and scores too well on other clips by the same one.

artists = np.repeat(np.arange(40), 4)
style = rng.standard_normal((40, n_dims))[artists]
songs = style + 0.5 * rng.standard_normal((n_clips, n_dims))
heard = (0.25 * songs @ weights + rng.standard_normal((40, n_voxels))[artists])[:, None]
heard = b2m.as_responses(heard + rng.standard_normal((n_clips, 1, n_voxels)), tr=2.0)

values = {}
for label, groups in (("clips dealt out freely", None), ("artists kept together", list(artists))):
    in_folds = b2m.cross_val_predict(b2m.Decoder(), heard, songs, cv=b2m.ClipKFold(5), groups=groups)
    values[label] = b2m.metrics.identification(in_folds, songs, n_permutations=1000)
    print(f"{label}: {values[label].value:.3f} [{values[label].low:.3f}, {values[label].high:.3f}]")

figure, axes = plt.subplots(figsize=(6.4, 2.2))
for row, each in enumerate(values.values()):
    axes.plot([each.low, each.high], [row, row], color=f"C{row}", linewidth=5, alpha=0.35)
    axes.plot(each.value, row, "o", color=f"C{row}")
axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_yticks([0, 1], values)
axes.set(xlabel="two-way identification, with 95 % interval over clips", xlim=(0.45, 1.02), ylim=(-0.6, 1.6))
axes.set_title("The same simulated data, in two kinds of folds")
axes.legend(loc="lower left", bbox_to_anchor=(0, 1.12), ncols=2)
plt.show()

# %%
# From files: an arrays file (TOML) names the arrays, their axes and the list of stimuli.
# :func:`brain2music.load_arrays` reads it, and the command ``brain2music run-arrays`` makes the whole report of it.
