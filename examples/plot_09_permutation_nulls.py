"""
What chance means: permutation nulls
====================================

A score above 0.5 is evidence only if chance cannot give it as well. Two ways to ask: permute the clips after the fit,
which is quick, or fit the whole decoder again to permuted clips, which repeats every choice that was made. And one trap
that looks like signal. The brain is simulated, once with and once without responses to the music.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)
music = study.embed("mulan-small")
decoder = b2m.Decoder("ridge", alphas=np.logspace(-3, 8, 23))

# %%
# Refits to permuted clips: p counts how many of them score at least as well. All share the work that depends on the
# responses alone, so that 200 refits cost little more than a few.

test = b2m.permutation_test(decoder, bold.train, music, test=bold.test, n_permutations=200)
print(f"identification {test.score:.3f}; refits to permuted clips {test.permuted.mean():.3f}, p = {test.p_value:.3f}")

# %%
# A brain that does not listen: the same responses, but each clip's are those to another clip. Its score falls into the
# null, as it should.

rng = np.random.default_rng(1)
deaf = replace(bold.train, data=bold.train.data[rng.permutation(len(bold.train))])
deaf_test = replace(bold.test, data=bold.test.data[rng.permutation(len(bold.test))], repeats=None)
null = b2m.permutation_test(decoder, deaf, music, test=deaf_test, n_permutations=200)
print(f"deaf brain: identification {null.score:.3f}, p = {null.p_value:.3f}")

figure, grid = plt.subplots(1, 2, figsize=(9.2, 3.4), sharey=True, sharex=True)
for axes, each, title in ((grid[0], test, "responses to the music"), (grid[1], null, "responses to other music")):
    axes.hist(each.permuted, bins=np.linspace(0.2, 1, 41), color="#c9ced3", label="fitted to permuted clips")
    axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
    axes.axvline(each.score, color="C0", linewidth=2.5, label="fitted to the clips")
    axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
    axes.set(xlabel="two-way identification", xlim=(0, 1.03))
    axes.set_title(f"{title}: p = {each.p_value:.3f}")
grid[0].set_ylabel("refits")
grid[0].legend(loc="upper left", fontsize=8)
figure.suptitle("A decoder and 200 refits to permuted clips, simulated brain, 20 test clips")
plt.show()

# %%
# With 20 test clips the null is wide: some of the refits score 0.7 without any signal. How many clips does a study
# need? The quick way of permuting clips after the fit shows how the null narrows with the number of test clips.

decoded = decoder.fit(bold.train, music).predict(bold.test)
sides = decoded.mean - decoded.train_mean, decoded.truth(music) - decoded.train_mean
similarity = b2m.metrics.similarity(*sides)
bounds = []
numbers = (4, 6, 8, 10, 12, 16, 20)
for number in numbers:
    scores = []
    for _ in range(1500):
        rows = rng.choice(len(similarity), number, replace=False)
        part = similarity[np.ix_(rows, rng.permutation(rows))]
        scores.append(b2m.metrics.identification_accuracy(part))
    bounds.append(np.quantile(scores, [0.025, 0.5, 0.95, 0.999]))
low, middle, high, top = np.array(bounds).T

figure, axes = plt.subplots(figsize=(6.8, 3.6))
axes.fill_between(numbers, low, high, color="#e1e5e9", label="null, 2.5 to 95 %")
axes.plot(numbers, high, color="C0", label="needed for p = 0.05")
axes.plot(numbers, top, color="C1", label="needed for p = 0.001")
axes.axhline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axhline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set(xlabel="test clips", ylabel="two-way identification", ylim=(0, 1.04))
axes.set_title("What a score must exceed, by the number of test clips (simulated)")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# The trap: without a test set, clips are predicted in folds, and every fit has seen the other clips. A fold whose clips
# are above average leaves training clips below it, so that what is predicted from nothing is turned away from the
# truth. Centred on one mean for all, noise then scores below 0.5; :func:`~brain2music.metrics.identification` centres
# each fold on the mean of its own training clips.

uncentred, centred = [], []
for seed in range(20):
    noise = np.random.default_rng(seed).standard_normal((60, 1, 200))
    targets = music[np.arange(60)].mean[:, None]
    folds = b2m.cross_val_predict(b2m.Decoder(n_folds=3), noise, targets, cv=5)
    everywhere = targets.mean(axis=(0, 1))
    plain = b2m.metrics.similarity(folds.mean - everywhere, targets[:, 0] - everywhere)
    uncentred.append(b2m.metrics.identification_accuracy(plain))
    centred.append(b2m.metrics.identification(folds, targets, n_permutations=10).value)
print(f"noise in folds: {np.mean(uncentred):.3f} about one mean, {np.mean(centred):.3f} about that of each fold")

figure, axes = plt.subplots(figsize=(6.4, 2.4))
for row, values in enumerate((uncentred, centred)):
    axes.plot(values, row + np.random.default_rng(0).uniform(-0.12, 0.12, len(values)), "o", color=f"C{row}", alpha=0.6)
    axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=f"C{row}", linewidth=2.5)
axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.set_yticks([0, 1], ["centred on one mean", "centred on each fold's"])
axes.set(xlabel="two-way identification of noise, 20 seeds", ylim=(-0.6, 1.6))
axes.set_title("Noise decoded in folds (simulated)")
axes.legend(loc="lower right")
plt.show()
