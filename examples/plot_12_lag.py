"""
Lag and the haemodynamic response
=================================

Blood flow follows sound by seconds, so responses are taken some scans later than the clip was played. How many? Both
decoding and encoding are repeated for lags from 0 to 10.5 s. The brain is simulated, so that the delay of every voxel
is known, and what is found can be compared with it.
"""

import matplotlib.pyplot as plt
import numpy as np
from nilearn.glm.first_level import glover_hrf

import brain2music as b2m
from brain2music.simulation.brain import read_truth

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
music = study.embed("mulan-small")
spectra = study.embed("logmel", window_s=1.5)  # windows of one scan, to resolve time

# %%
# ``lag_tr`` counts scans. A decoder is fitted to responses at each lag, and so is an encoder, which predicts each scan
# from the spectrum of the 1.5 s of sound that long before.

lags = range(8)
scores, r = [], []
for lag in lags:
    bold = study.responses("001", lag_tr=lag)
    decoded = b2m.Decoder("ridge").fit(bold.train, music).predict(bold.test)
    scores.append(b2m.metrics.identification(decoded, music))
    r.append(b2m.Encoder().fit(spectra, bold.train).score(bold.test, n_permutations=1).r)
    print(f"{lag * bold.train.tr:4.1f} s   identification {scores[-1].value:.3f}   mean r {r[-1].mean():.3f}")
r, seconds = np.array(r), np.array(lags) * bold.train.tr

# %%
# Decoding takes windows of 10 s, and is forgiving; encoding of single scans follows the haemodynamic response closely.

truth = read_truth(study.source.path, "001").table.set_index(["i", "j", "k"])
voxels = truth.reindex([tuple(place) for place in np.argwhere(bold.train.space.mask)])
early = (voxels["family"] == "early").to_numpy()

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.1))
left.fill_between(seconds, [s.low for s in scores], [s.high for s in scores], alpha=0.18, label="95 % interval")
left.plot(seconds, [score.value for score in scores], "o-", label="decoding of mulan-small")
left.axhline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
left.axhline(1, color="#7d8590", linewidth=1, label="ceiling")
left.axvline(4.5, color="C8", linestyle=":", label="default lag")
left.set(xlabel="lag of the responses (s)", ylabel="two-way identification", ylim=(0.3, 1.04))
left.set_title("Decoding")
left.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18), fontsize=8, ncols=2)

time = np.arange(0, 11, 0.1)
response = glover_hrf(0.1, oversampling=1, time_length=32)[: len(time)]
scale = r[:, early].mean(axis=1).max() / response.max()
right.plot(time, response * scale, color="#aab1b8", label="Glover's response, scaled")
right.plot(seconds, r[:, early].mean(axis=1), "o-", color="C0", label="voxels tuned to spectra")
right.plot(seconds, r[:, (voxels["family"] == "none").to_numpy()].mean(axis=1), "o-", color="C8", label="other voxels")
right.axhline(0, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
right.set(xlabel="lag of the responses (s)", ylabel="mean r over voxels")
right.set_title("Encoding of single scans")
right.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18), fontsize=8, ncols=2)
figure.suptitle("Scores against lag, simulated brain, 20 test clips")
plt.show()

# %%
# Voxels differ in their delay. The lag at which a voxel is predicted best (the vertex of a parabola through the best
# lag and its neighbours) follows the delay that was planted. It is counted from the middle of the window of sound. The
# response falls more slowly than it rises, which pulls the best lag past the peak.

clear = early & (r.max(axis=0) > 0.25)
best = r[:, clear].argmax(axis=0)
inside = (best > 0) & (best < len(lags) - 1)
columns = np.flatnonzero(clear)[inside]
before, at, after = (r[best[inside] + step, columns] for step in (-1, 0, 1))
vertex = best[inside] + 0.5 * (before - after) / (before - 2 * at + after)
peak = voxels["peak_s"].to_numpy()[columns]
found = vertex * bold.train.tr - spectra.space.window_s / 2

figure, axes = plt.subplots(figsize=(5.4, 4.4))
axes.plot(peak, found, "o", color="C0", alpha=0.5, markersize=4, markeredgewidth=0)
slope, intercept = np.polyfit(peak, found, 1)
line = np.array([peak.min(), peak.max()])
axes.plot(line, line, color="#7d8590", linewidth=1, label="equal")
axes.plot(line, slope * line + intercept, color="C1", label=f"fit (correlation {np.corrcoef(peak, found)[0, 1]:.2f})")
axes.set(xlabel="planted time of the response's peak (s)", ylabel="lag of the best prediction (s)")
axes.set_title(f"Delays of {len(peak)} voxels, simulated brain")
axes.legend(loc="upper left")
plt.show()
