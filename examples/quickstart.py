"""From a study to scores, music that exists, new music and maps: ``python examples/quickstart.py STUDY_DIR [OUT]``.

STUDY_DIR is a BIDS folder in which people listened to music, with its recordings in ``stimuli``;
``brain2music simulate STUDY_DIR`` writes one whose brains are simulated.
"""

import argparse
from pathlib import Path

import brain2music as b2m


def main(study_dir: Path, out: Path, embedding: str, generator: str, seconds: float) -> None:
    out.mkdir(parents=True, exist_ok=True)
    study = b2m.load_study(study_dir)
    subject = study.subjects[0]
    brains = "simulated brains" if study.simulated else "brains"
    print(f"{study.name}: {brains} of {', '.join(study.subjects)}, {len(study.clips)} clips; sub-{subject} is decoded")

    bold = study.responses(subject)  # .train, .test; .test is None where clips are scored in folds
    if bold.test is None:
        raise SystemExit("this study has no test clips: see cross_validate and cross_val_predict")
    print(f"responses (clips, scans, voxels): train {bold.train.data.shape}, test {bold.test.data.shape}")
    music = study.embed(embedding)
    print(f"embeddings (clips, windows, dims): {music.data.shape}, a window every {music.space.step_s:g} s")

    decoder = b2m.Decoder("selected+whitened").fit(bold.train, music)
    decoded = decoder.predict(bold.test)
    score = b2m.metrics.identification(decoded, music)
    print(f"identification: {score.value:.3f} ({score.low:.3f} to {score.high:.3f}), p = {score.p:.4f}, n = {score.n}")
    print(f"                chance {score.chance:g}")

    b2m.build_gallery(study.source.stimuli.folder, out / "gallery", b2m.get_embedder(embedding))
    found = b2m.Gallery.open(out / "gallery").search(decoded, k=5)
    print("\nthe study's own recordings that are nearest to what was decoded, its clip's recording left out:")
    print(found[["clip", "rank", "track", "cosine"]].head(10).to_string(index=False))

    denoised = decoder.predict(bold.test[:1], form="denoised")  # what generators take best
    heard = b2m.get_generator(generator).generate(denoised, seconds=seconds)[0].save(out / "heard.wav")
    print(f"\nmusic made of what was decoded of {denoised.names[0]}: {heard}")

    genres = b2m.cross_validate(b2m.Decoder("ridge"), bold.train, music, cv=b2m.LeaveOneGenreOut())
    print("\ngenres that the decoder never heard:")
    print(genres[["fold", "metric", "value", "chance", "p", "n"]].to_string(index=False))

    encoder = b2m.Encoder().fit(music, bold.train)
    voxels = encoder.score(bold.test)  # r per voxel, with noise ceiling and q
    image = voxels.to_nifti(out / "r.nii.gz")
    found_voxels = (voxels.q < 0.05).sum()
    print(f"\nvoxels that the music predicts (q < 0.05): {found_voxels} of {len(voxels.q)}; r per voxel: {image}")

    settings = {"galleries": [out / "gallery"], "duration_s": seconds, "n_samples": 1}
    page = b2m.run(study, out / "run", embeddings=[embedding], generator=generator, **settings)
    print(f"all of it, as the command does it: {page}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study_dir", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("quickstart"))
    parser.add_argument("--embedding", default="mulan-small")
    parser.add_argument("--generator", default="musiclm-small")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each generated piece")
    main(**vars(parser.parse_args()))
