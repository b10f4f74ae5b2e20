"""
Music from an embedding
=======================

musiclm-small makes music that has a given embedding: one that was read from a brain, that of a recording, or that of a
text. Three clips are decoded from simulated responses; from each decoded embedding, and from the true one, a piece is
made. Compare what was presented with what came back.
"""

import librosa
import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)
music = study.embed("mulan-small")
decoder = b2m.Decoder("selected+whitened").fit(bold.train, music)

# %%
# Generators take predictions in the form ``denoised``: with the spread of true embeddings, and drawn towards the
# training music nearest to them. Three clips of different genres:

genres = [clip.genre for clip in bold.test.clips]
chosen = np.array([genres.index(genre) for genre in ("classical", "metal", "reggae")])
decoded = decoder.predict(bold.test[chosen], form="denoised")
names = [f"{clip.genre} ({clip.track})" for clip in decoded.clips]

generator = b2m.get_generator("musiclm-small")
SECONDS = 6.0
pieces = generator.generate(decoded, seconds=SECONDS, seed=1)
of_true = generator.generate(music.of(decoded.names), seconds=SECONDS, seed=1)

# %%
# First the clip as it was presented, then what was made of the embedding decoded from the brain, then what was made of
# the clip's true embedding, which is as well as this generator can do. Music made by the small model has texture,
# colour and pulse, but no tunes.

presented = [study.waveform(clip) for clip in decoded.clips]
b2m.listen(
    {
        f"{name}, {label}": sound
        for name, *sounds in zip(names, presented, pieces, of_true, strict=True)
        for label, sound in zip(("presented", "from the brain", "from its true embedding"), sounds, strict=True)
    }
)

# %%
# Mel spectrograms of the same nine sounds.


def draw_mel(axes: plt.Axes, waveform: np.ndarray, rate: int):
    """Draw a mel spectrogram in dB below its maximum."""
    power = librosa.feature.melspectrogram(y=waveform, sr=rate, n_mels=80, fmax=8000, hop_length=512)
    extent = (0, len(waveform) / rate, 0, 80)
    decibels = librosa.power_to_db(power, ref=np.max, top_db=70)
    return axes.imshow(decibels, origin="lower", extent=extent, cmap="magma", vmin=-70, vmax=0)


columns = {"presented": presented}
columns["from the brain"] = [(piece.waveform[0], piece.sample_rate) for piece in pieces]
columns["from its true embedding"] = [(piece.waveform[0], piece.sample_rate) for piece in of_true]
figure, grid = plt.subplots(3, 3, figsize=(9.6, 5.4), sharex=True, sharey=True)
marks = [500, 1000, 2000, 4000, 8000]
places = np.interp(librosa.hz_to_mel(marks), librosa.hz_to_mel([0, 8000]), [0, 80])
for column, (label, sounds) in enumerate(columns.items()):
    for row, (waveform, rate) in enumerate(sounds):
        image = draw_mel(grid[row, column], waveform[: round(SECONDS * rate)], rate)
    grid[0, column].set_title(label)
    grid[-1, column].set_xlabel("time (s)")
for row, name in enumerate(names):
    grid[row, 0].set_ylabel(f"{name.split()[0]}\nfrequency (Hz)")
    grid[row, 0].set_yticks(places, marks)
figure.colorbar(image, ax=grid, label="power (dB below the maximum)", shrink=0.6)
figure.suptitle("Music that was presented and music that was made, simulated brain")
plt.show()

# %%
# Does what was made have the embedding that was asked for? Every piece is embedded again and compared with the clips
# that were presented. The right one should be the most similar; of pieces made from a brain, not all are.

embedder = b2m.get_embedder("mulan-small")
centre = decoder.train_mean_
clips = music.of(decoded.names).mean - centre
figure, grid = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
for axes, made, label in ((grid[0], pieces, "made from the brain"), (grid[1], of_true, "made from the true embedding")):
    rows = np.stack([embedder.embed(piece.waveform, piece.sample_rate).mean(axis=0) for piece in made]) - centre
    similarity = b2m.metrics.similarity(rows, clips)
    image = axes.imshow(similarity, cmap="PuOr_r", vmin=-1, vmax=1, aspect="equal")
    for i, j in np.ndindex(similarity.shape):
        axes.text(j, i, f"{similarity[i, j]:.2f}", ha="center", va="center", fontsize=9)
    axes.set_xticks(range(3), [name.split()[0] for name in names])
    axes.set_yticks(range(3), [name.split()[0] for name in names])
    axes.set(xlabel="clip that was presented", title=label)
    axes.spines[:].set_visible(False)
grid[0].set_ylabel("piece that was made of it")
figure.colorbar(image, ax=grid, label="correlation in mulan-small", shrink=0.8)
figure.suptitle("Embeddings of generated pieces and of clips, simulated brain")
plt.show()
