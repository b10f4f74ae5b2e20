"""
Leave one genre out
===================

A decoder that has learned ten genres may score well by naming the genre. Does it know more of the music? Here each
genre is left out in turn: the decoder never heard any of it, and is then asked to tell its clips apart (Brain2Music,
section 4.3). The brain is simulated.
"""

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)
music = study.embed("mulan-small")
decoder = b2m.Decoder("whitened")

# %%
# ``cv`` says which clips are held out together: here all of a genre, and for comparison ten folds of clips dealt out at
# random, as is usual.

left_out = b2m.cross_validate(decoder, bold.train, music, cv=b2m.LeaveOneGenreOut(), n_permutations=2000)
shuffled = b2m.cross_val_predict(decoder, bold.train, music, cv=b2m.ClipKFold(10))
print(left_out.query("metric == 'identification_within_fold'")[["fold", "value", "low", "high", "p", "n"]])

# %%
# Among clips of the genre that was left out, genre says nothing, and chance is 0.5. Among all clips of the study a high
# score says less: that jazz was heard and not metal can be told by whatever the ten genres differ in.

within = left_out[left_out["metric"] == "identification_within_fold"].set_index("fold").sort_values("value")
among_all = left_out[left_out["metric"] == "identification"].set_index("fold").loc[within.index]

figure, axes = plt.subplots(figsize=(7.6, 4.6))
at = np.arange(len(within))
for rows, colour, offset, label in (
    (within, "C0", 0.14, f"among the {within['n'].iloc[0]} clips of the genre"),
    (among_all, "C1", -0.14, f"among all {len(bold.train)} clips"),
):
    axes.hlines(at + offset, rows["low"], rows["high"], color=colour, linewidth=4, alpha=0.35)
    axes.plot(rows["value"], at + offset, "o", color=colour, label=label)
axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_yticks(at, within.index)
axes.set(xlabel="two-way identification, with 95 % interval over clips", ylabel="genre left out", xlim=(0.2, 1.02))
axes.set_title("Clips of genres that the decoder never heard, simulated brain")
axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.06), ncols=3)
plt.show()

# %%
# Single genres have few clips. Averaged over all clips: what is it worth to have heard other clips of the genre? Both
# decoders below are scored on clips that they were not fitted to, among all clips and among those of one genre. In a
# study as small as this the intervals overlap.

genres = [clip.genre for clip in bold.train.clips]
unseen = b2m.cross_val_predict(decoder, bold.train, music, cv=b2m.LeaveOneGenreOut())
rng = np.random.default_rng(0)
figure, axes = plt.subplots(figsize=(7.2, 2.7))
for colour, offset, label, decoded in (
    ("C2", 0.13, "decoder heard other clips of the genre", shuffled),
    ("C0", -0.13, "decoder never heard the genre", unseen),
):
    similarity = b2m.metrics.similarity(decoded.mean - decoded.train_mean, decoded.truth(music) - decoded.train_mean)
    for row, values in enumerate(
        (b2m.metrics.within_group(similarity, genres), b2m.metrics.identification_by_clip(similarity))
    ):
        axes.plot(
            b2m.metrics.bootstrap_interval(values, rng), [row + offset] * 2, color=colour, linewidth=4, alpha=0.35
        )
        axes.plot(values.mean(), row + offset, "o", color=colour, label=label if row == 0 else None)
axes.axvline(0.5, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
axes.axvline(1, color="#7d8590", linewidth=1, label="ceiling")
axes.set_yticks([0, 1], ["among clips of the genre", "among all clips"])
axes.set(xlabel="mean identification of 60 clips, with 95 % interval over clips", xlim=(0.4, 1.02), ylim=(-0.5, 1.5))
axes.set_title("With and without the genre in training, simulated brain")
axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.08), ncols=2)
plt.show()
