"""
Predicting new scans and sounds
===============================

A decoder and an encoder are fitted once, saved, and asked afterwards: which music does this scan decode to, and which
response would this sound evoke? An online experiment does this while the scanner runs. The brain is simulated.
"""

import time
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
bold, music = study.responses("001"), study.embed("mulan-small")

# %%
# Models are saved with all that new scans have to agree with: voxels, TR, lag, embedding, and how images were cleaned.
# The noise ceiling of every voxel, from the repeats of the test clips, is kept with the encoder.

folder = Path(mkdtemp())
b2m.Decoder("ridge").fit(bold.train, music).save_pretrained(folder / "decoder", preparation=study.preparation)
encoder = b2m.Encoder().fit(music, bold.train).measure_ceiling(bold.test)
encoder.save_pretrained(folder / "encoder", preparation=study.preparation)

# %%
# They are loaded once. Each test clip is then decoded by itself, as if its scans had just been measured, and compared
# with all test clips.

online = b2m.BrainToMusic(folder / "decoder")
true = music.of([clip.name for clip in bold.test.clips]).mean
mean = online.decoder.train_mean_
ranks, took = [], []
for row, scans in enumerate(bold.test.data):
    began = time.perf_counter()
    decoded = online.decode(scans)
    took.append(1000 * (time.perf_counter() - began))
    similar = [np.corrcoef(decoded.mean[0] - mean, each - mean)[0, 1] for each in true]
    ranks.append(1 + sum(other > similar[row] for other in similar))
print(f"median rank {np.median(ranks):g} of {len(true)}, {np.median(took):.1f} ms a clip")

# %%
# The other way: the response to a sound that nobody was scanned with. The encoder says of every voxel how well it
# predicts held-out training clips, and the ceiling how well a prediction could agree with a measured response.

predicted = b2m.MusicToBrain(folder / "encoder").predict(study.waveform(bold.test.clips[0]))
measured = bold.test.data[0].mean(axis=0)
known = predicted.cv_r2 > 0.1

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.1))
left.plot(predicted.ceiling, np.sqrt(np.maximum(predicted.cv_r2, 0)), "o", markersize=2, alpha=0.4)
left.axline((0, 0), slope=1, color="#7d8590", linewidth=1, label="equal")
left.set(xlabel="noise ceiling of the average of repeats", ylabel="root of r² of held-out training clips")
left.set_title(f"What can be predicted ({len(predicted.ceiling)} voxels)")
left.legend(loc="upper left")
right.plot(predicted.mean[known], measured[known], "o", markersize=3, alpha=0.5)
r = np.corrcoef(predicted.mean[known], measured[known])[0, 1]
right.set(xlabel="predicted response (SD of a run)", ylabel="measured response (SD of a run)")
right.set_title(f"One test clip, {known.sum()} voxels with r² > 0.1: r = {r:.2f}")
figure.suptitle("Predicted responses, simulated brain")
plt.show()
