"""
Search a gallery by text and by sound
=====================================

A gallery is a corpus of music with the embedding of every track. In an embedding of music and text both can be the
query: words, or a recording to be like. Here 60 short pieces are composed by rule, six of each of ten genres, and
searched with mulan-small.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import brain2music as b2m
from brain2music.audio import read_audio, write_audio
from brain2music.gallery import search_like, search_text
from brain2music.simulation.music import GENRES, compose_piece, render_piece, write_corpus

plt.style.use("brain2music.figures")

# %%
# A folder of sound files will do, or a table of files with their titles, artists, genres and licences. The composer
# writes down what it composed.

folder = Path(mkdtemp())
composed = pd.read_csv(write_corpus(folder / "music", 6, seed=11, seconds=12.0), sep="\t")
files = "music/" + composed["genre"] + "/" + composed["track"] + ".wav"
titles = composed["mood"] + " " + composed["genre"] + " in " + composed["key"]
table = pd.DataFrame({"file": files, "title": titles, "genre": composed["genre"], "licence": "CC0-1.0"})
table.to_csv(folder / "tracks.tsv", sep="\t", index=False)

embedder = b2m.get_embedder("mulan-small")
gallery = b2m.build_gallery(folder / "tracks.tsv", folder / "gallery", embedder)
print(f"{len(gallery)} tracks, {gallery.space.dims} dims")

# %%
# By text: the five tracks that are nearest to a description.

found = search_text(gallery, "a calm piece of classical music with strings", k=5)
found[["rank", "cosine", "track", "title"]]

# %%
b2m.listen({f"{row.rank}: {row.title}": row.path for row in found.head(3).itertuples()})

# %%
# How good is that? Each genre has six tracks. Asked for a genre by name, the whole gallery is ranked; a dot is a track,
# and tracks of the genre should be on the right.

queries = {genre: f"this is a {genre.replace('hiphop', 'hip hop')} song" for genre in GENRES}
figure, axes = plt.subplots(figsize=(7.6, 4.6))
precision = {}
for row, (genre, text) in enumerate(queries.items()):
    ranked = search_text(gallery, text, k=len(gallery))
    right = (ranked["genre"] == genre).to_numpy()
    precision[genre] = right[:6].mean()
    axes.plot(ranked["cosine"][~right], np.full((~right).sum(), row), "|", color="#aab1b8", markersize=9)
    axes.plot(ranked["cosine"][right], np.full(right.sum(), row), "o", color="C0", markersize=5)
    axes.annotate(f"{precision[genre]:.0%}", (1.005, row), xycoords=("axes fraction", "data"), va="center", fontsize=9)
axes.plot([], [], "o", color="C0", label="tracks of the genre")
axes.plot([], [], "|", color="#aab1b8", markersize=9, label="other tracks")
axes.set_yticks(range(len(queries)), [f"“{text}”" for text in queries.values()], fontsize=8.5)
axes.invert_yaxis()
axes.set(xlabel="cosine of text and music")
axes.set_title(f"60 composed pieces ranked by text, and precision at 6 (chance {6 / 60:.0%})")
axes.legend(loc="upper left", bbox_to_anchor=(0, -0.13), ncols=2)
plt.show()
print(f"mean over genres: {np.mean(list(precision.values())):.0%}")

# %%
# By sound: a new piece of jazz, which is not in the gallery. Its nearest neighbours are marked on a map of the gallery,
# the first two principal components of the embedding.

recording = folder / "new.wav"
write_audio(recording, render_piece(compose_piece("jazz", np.random.default_rng(7), 12.0)), 22050)
like = search_like(gallery, recording, k=5)
like[["rank", "cosine", "track", "title"]]

# %%
b2m.listen({"new piece": recording, **{f"{row.rank}: {row.title}": row.path for row in like.head(3).itertuples()}})

# %%
vectors = np.asarray(gallery.vectors, dtype=np.float64)
centred = vectors - vectors.mean(axis=0)
_, _, components = np.linalg.svd(centred, full_matrices=False)
places = centred @ components[:2].T
query = (embedder.embed(*read_audio(recording)).mean(axis=0) - vectors.mean(axis=0)) @ components[:2].T
nearest = [list(gallery.tracks["track"]).index(track) for track in like["track"]]

figure, axes = plt.subplots(figsize=(7.2, 4.8))
for number, genre in enumerate(GENRES):
    rows = (gallery.tracks["genre"] == genre).to_numpy()
    axes.plot(*places[rows].T, "o", color=f"C{number}", markersize=6, label=genre)
for row in nearest:
    axes.plot(*np.stack([query, places[row]]).T, color="#1b1f24", linewidth=0.8, zorder=0)
axes.plot(*query, "*", color="#1b1f24", markersize=15, label="new piece")
axes.set(xlabel="first principal component", ylabel="second principal component", xticks=[], yticks=[])
axes.set_title("60 composed pieces in mulan-small, and the five nearest to a new one")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
