"""
Encoding maps with noise ceilings, on the brain
===============================================

The other direction: how well does an embedding of the music predict each voxel, and how well could anything predict
it? An encoder is fitted for every voxel, scored on clips that it has not seen, tested against permuted clips, and
compared with the noise ceiling that the repeats of the test clips give. The brain is simulated: ten auditory regions
follow the music, and the rest of grey matter does not.
"""

import matplotlib.pyplot as plt
import numpy as np
from nilearn import datasets, image, plotting
from nilearn.surface import vol_to_surf

import brain2music as b2m

plt.style.use("brain2music.figures")

study = b2m.simulate_study(design="small")
bold = study.responses("001", lag_tr=3)
music = study.embed("musicnn-mtt", window_s=3.0)

# %%
# Windows of 3 s, every 1.5 s, give the encoder the course of the music, not only its mean. Voxels of Heschl's gyrus may
# follow it scan by scan.

encoder = b2m.Encoder().fit(music, bold.train)
voxels = encoder.score(bold.test, n_permutations=2000)  # r, noise ceiling, p and q of every voxel
found = voxels.q < 0.05
print(f"{found.sum()} of {len(found)} voxels are predicted above chance (false discovery rate 0.05)")
print(f"there the mean r is {voxels.r[found].mean():.2f}, the mean ceiling {voxels.ceiling[found].mean():.2f}")

# %%
# Slices through the temporal lobes: what could be predicted, what was predicted, and where that is beyond chance by
# strict measure: 20 test clips leave a false discovery rate over 5,000 voxels little power. The template is part of
# nilearn, so that nothing is downloaded.

ceiling, r, q = (voxels.to_image(what) for what in ("ceiling", "r", "q"))
significant = image.math_img("r * (q < 0.05)", r=r, q=q)
top = float(np.quantile(voxels.ceiling, 0.995))
style = {"cmap": "inferno", "vmin": 0, "vmax": top}

with plt.rc_context({"figure.constrained_layout.use": False}):
    figure, rows = plt.subplots(3, 1, figsize=(9.6, 7.0))
    for axes, shown, threshold, title in (
        (rows[0], ceiling, 0.6, "noise ceiling over 0.6: r of a perfect prediction (simulated brain)"),
        (rows[1], r, 0.4, f"r over 0.4 of the prediction from {voxels.embedding} (simulated brain)"),
        (rows[2], significant, 0.4, "the same, where q < 0.05"),
    ):
        cuts = {"display_mode": "z", "cut_coords": (-24, -14, -4, 6, 16, 48)}
        plotting.plot_stat_map(shown, axes=axes, threshold=threshold, annotate=False, black_bg=False, **cuts, **style)
        axes.set_title(title, y=1.1)
    figure.subplots_adjust(0.01, 0.01, 0.95, 0.93, hspace=0.4)
    plt.show()

# %%
# The prediction on the inflated cortex, sampled between the white and the pial surface.

mesh = datasets.fetch_surf_fsaverage("fsaverage5")  # part of nilearn
with plt.rc_context({"figure.constrained_layout.use": False}):
    figure, grid = plt.subplots(1, 4, figsize=(11, 3.0), subplot_kw={"projection": "3d"})
    views = (("left", "lateral"), ("left", "medial"), ("right", "medial"), ("right", "lateral"))
    for axes, (side, view) in zip(grid, views, strict=True):
        values = vol_to_surf(r, mesh[f"pial_{side}"], inner_mesh=mesh[f"white_{side}"])
        sulci = {"bg_map": mesh[f"sulc_{side}"], "hemi": side, "view": view}
        plotting.plot_surf_stat_map(
            mesh[f"infl_{side}"], values, threshold=0.2, colorbar=False, axes=axes, **sulci, **style
        )
        axes.set_title(f"{side}, {view}", fontsize=9, loc="center", y=0.9)
    bar = figure.add_axes((0.35, 0.2, 0.3, 0.035))
    scale = plt.cm.ScalarMappable(plt.Normalize(0, top), "inferno")
    figure.colorbar(scale, cax=bar, orientation="horizontal", label="r, where it is over 0.2")
    figure.suptitle(f"What {voxels.embedding} predicts of a simulated brain", y=0.99)
    figure.subplots_adjust(0, 0.14, 1, 0.98, 0, 0)
    plt.show()

# %%
# A voxel of low r may be noisy or may follow something that the embedding lacks; the ceiling tells which. In auditory
# regions r comes close to it, in control regions both are about zero.

table = voxels.to_frame()
table = table[table["roi"] != ""].assign(region=lambda rows: rows["roi"].str.replace(r" [LR]$", "", regex=True))
regions = table.groupby("region")[["r", "ceiling"]].mean().sort_values("r")
late = [name for name in regions.index if regions.loc[name, "r"] > 0.1]

figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.2), width_ratios=(1, 1.15))
for name, colour in (("outside", "#c9ced3"), ("inside", "C0")):
    rows = table[table["region"].isin(late) == (name == "inside")]
    label = "auditory regions" if name == "inside" else "control regions"
    left.plot(rows["ceiling"], rows["r"], ".", color=colour, markersize=4, label=label)
left.plot([0, 1], [0, 1], color="#7d8590", linewidth=1, label="ceiling")
left.axhline(0, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1, label="chance")
left.set(xlabel="noise ceiling of a voxel (r)", ylabel="r of the prediction", xlim=(0, 1), ylim=(-0.4, 1))
left.set_title("voxels")
left.legend(loc="upper left")
at = np.arange(len(regions))
right.barh(at, regions["ceiling"], color="#dfe3e6", height=0.7, label="noise ceiling")
right.barh(at, regions["r"], color="C0", height=0.42, label="prediction")
right.axvline(0, color="#1b1f24", linestyle=(0, (4, 3)), linewidth=1)
right.set_yticks(at, regions.index)
right.set(xlabel="mean r over voxels (chance is 0)")
right.set_title("regions")
right.legend(loc="lower right")
figure.suptitle("Prediction and noise ceiling, simulated brain")
plt.show()
