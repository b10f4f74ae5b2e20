"""Planted truth is found: who hears, how late, how strongly, and how well it could be known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import uniform_filter1d

from brain2music.brain import regress_out
from brain2music.simulation.brain.bold import physiological_courses
from brain2music.simulation.brain.brain import REGIONS, make_brain
from brain2music.simulation.brain.confounds import slow_courses, white_matter_courses
from brain2music.simulation.brain.features import RATE
from brain2music.simulation.brain.subject import SimulatedSubject, make_subject
from brain2music.simulation.brain.tuning import hrf_basis

TEST_RUN = 2
CONTROL = [i + 1 for i, region in enumerate(REGIONS) if region.gain == 0]


def repeats_of(subject: SimulatedSubject) -> np.ndarray:
    """The test run's scans, drift removed, as (repeats, scans, voxels), z-scored."""
    scans = subject.scans(TEST_RUN).astype(np.float32)
    scans -= uniform_filter1d(scans, 161, axis=0)
    scans = scans[10:].reshape(4, 100, -1)
    return (scans - scans.mean(1, keepdims=True)) / scans.std(1, keepdims=True)


def test_responsive_voxels_repeat_themselves_and_control_regions_do_not(subject: SimulatedSubject) -> None:
    """Agreement, the mean correlation between repeats, over eight sessions: one session's physiology is shared."""
    sessions = [repeats_of(replace(subject, seed=seed)) for seed in range(8)]
    agreement = np.mean([((repeats.sum(0) ** 2).mean(0) - 4) / 12 for repeats in sessions], axis=0)
    responsive, control = subject.tuning.voxels, np.isin(subject.brain.region, CONTROL)
    assert control.sum() > 30
    assert agreement[responsive].mean() > 0.12
    assert abs(agreement[control].mean()) < 0.02
    assert agreement[responsive].mean() > np.quantile(agreement[control], 0.99)


def test_signal_is_the_same_in_all_repeats(subject: SimulatedSubject) -> None:
    later = subject.signal(TEST_RUN)[110:].reshape(3, 100, -1)
    np.testing.assert_allclose(later[1], later[2], atol=1e-3 * later.std())
    np.testing.assert_array_less(0.999, [np.corrcoef(later[0][:, v], later[1][:, v])[0, 1] for v in range(20)])


def test_ceilings_are_what_many_repeats_estimate(subject: SimulatedSubject) -> None:
    quiet = replace(subject, noise=replace(subject.noise, drift=np.zeros_like(subject.noise.drift)))
    responsive, truth = subject.tuning.voxels, quiet.signal(TEST_RUN)[10:]
    runs = np.stack([replace(quiet, seed=seed).scans(TEST_RUN)[10:, responsive] for seed in range(24)]).astype(float)
    single = np.mean([_correlation(run, truth) for run in runs], axis=0)
    fours = np.mean([_correlation(four.mean(0), truth) for four in runs.reshape(6, 4, *truth.shape)], axis=0)
    assert np.abs(single - subject.ceiling()).mean() < 0.02
    assert np.abs(fours - subject.ceiling(4)).mean() < 0.03
    assert abs(np.mean(single - subject.ceiling())) < 0.01


@pytest.fixture(scope="module")
def fine(subject: SimulatedSubject) -> SimulatedSubject:
    """The same music presented to a brain of 4-mm voxels, whose white matter shows what all of it shares."""
    return make_subject(subject.runs, subject.space, 4.0, 0.6, seed=3)


def test_components_of_white_matter_are_the_physiology(fine: SimulatedSubject) -> None:
    plan = fine.runs[TEST_RUN]
    courses = white_matter_courses(fine.scans(TEST_RUN), fine.brain, plan.tr)
    planted = physiological_courses(plan, np.random.default_rng([3, 102, 0, TEST_RUN, 0]))
    shared = planted @ fine.noise.physiology[:1].T  # the three in the proportions that all voxels have them in
    slow = slow_courses(len(planted), plan.tr)
    left = regress_out(shared, np.column_stack([courses, slow]))
    assert left.var() < 0.05 * regress_out(shared, slow).var()


def test_cleaned_of_them_and_of_what_is_slow_ceilings_are_those_planted(fine: SimulatedSubject) -> None:
    responsive, truth, found = fine.tuning.voxels, fine.signal(TEST_RUN), []
    for seed in range(4):
        scans = replace(fine, seed=seed).scans(TEST_RUN)
        slow, courses = slow_courses(len(scans), 1.5), white_matter_courses(scans, fine.brain, 1.5)
        cleaned = regress_out(scans[:, responsive].astype(np.float32), np.column_stack([slow, courses]))
        found.append(_correlation(cleaned[10:], regress_out(truth, slow)[10:]).mean())
    assert np.mean(found) == pytest.approx(fine.ceiling(cleaned=True).mean(), abs=0.015)
    assert np.mean(found) > fine.ceiling().mean()


def test_snr_is_what_was_asked_for(subject: SimulatedSubject) -> None:
    responsive, noise = subject.tuning.voxels, subject.spread().noise
    signal = np.concatenate([subject.signal(run)[10:] - subject.signal(run)[10:].mean(0) for run in (0, 1)])
    np.testing.assert_allclose(signal.std(0) / noise, subject.tuning.snr, rtol=1e-3)
    heschl = np.isin(subject.brain.region[responsive], [1, 2])
    assert np.median(subject.tuning.snr[heschl]) == pytest.approx(0.6, rel=0.15)


def test_noise_has_the_spread_that_the_truth_says(subject: SimulatedSubject) -> None:
    unresponsive = np.setdiff1d(np.arange(subject.brain.n_voxels), subject.tuning.voxels)
    quiet = replace(subject, noise=replace(subject.noise, drift=np.zeros_like(subject.noise.drift)))
    scans = np.concatenate([replace(quiet, seed=seed).scans(TEST_RUN) for seed in range(4)]) * 0.25
    ratio = scans[:, unresponsive].std(0) / subject.noise.total_sd[unresponsive]
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert ratio.std() < 0.06


def test_planted_delays_are_recovered(subject: SimulatedSubject) -> None:
    """Each voxel's response leads or trails that of the same voxel without delay by its delay."""
    on_time = replace(subject, tuning=replace(subject.tuning, delay_s=np.zeros_like(subject.tuning.delay_s)))
    late, prompt = subject.signal(0)[20:-5], on_time.signal(0)
    times, shifts = np.arange(len(prompt)) * 1.5, np.arange(-2, 2.01, 0.1)
    errors = []
    for voxel in range(0, late.shape[1], 7):
        fits = [_correlation(np.interp(times - s, times, prompt[:, voxel])[20:-5], late[:, voxel]) for s in shifts]
        errors.append(shifts[int(np.argmax(fits))] - subject.tuning.delay_s[voxel])
    assert np.abs(errors).mean() < 0.15


def test_responses_peak_when_nilearn_says() -> None:
    glover, spm, _ = hrf_basis()
    assert glover.argmax() / RATE == pytest.approx(5, abs=0.3)
    assert spm.argmax() / RATE == pytest.approx(5, abs=0.3)


def test_subjects_share_part_of_their_tuning(subject: SimulatedSubject) -> None:
    other = make_subject(subject.runs, subject.space, 8.0, 0.6, subject.seed, index=1)
    places = {tuple(subject.brain.xyz[v]): row for row, v in enumerate(subject.tuning.voxels)}
    shared = [
        (places[tuple(other.brain.xyz[v])], row)
        for row, v in enumerate(other.tuning.voxels)
        if tuple(other.brain.xyz[v]) in places
    ]
    alike = [
        np.corrcoef(subject.tuning.weights[a], other.tuning.weights[b])[0, 1]
        for a, b in shared
        if subject.tuning.family[a] == other.tuning.family[b]
    ]
    assert len(alike) > 30
    assert 0.15 < np.mean(alike) < 0.75


def test_families_lie_where_they_should(subject: SimulatedSubject) -> None:
    family = subject.tuning.family
    region = subject.brain.region[subject.tuning.voxels]
    assert set(family[np.isin(region, [1, 2])]) == {0}
    assert set(family[np.isin(region, [9, 10])]) == {2}
    weights = subject.tuning.weights
    assert not weights[family == 0][:, subject.space.columns("late")].any()


def test_brains_have_every_region_in_grey_matter(rng: np.random.Generator) -> None:
    brain = make_brain(6.0, rng)
    assert not brain.region[~brain.grey].any()
    assert set(brain.region) == set(range(len(REGIONS) + 1))
    heschl = brain.xyz[brain.region == 1].mean(0)
    assert np.linalg.norm(heschl - [-45, -20, 8]) < 8
    assert brain.volume(brain.baseline).shape == brain.mask.shape


def test_two_millimetres_give_the_order_of_the_real_voxels(rng: np.random.Generator) -> None:
    brain = make_brain(2.0, rng)
    assert 60_000 < brain.grey.sum() < 200_000


def test_physiology_is_standardised_and_differs_between_runs(subject: SimulatedSubject) -> None:
    courses = physiological_courses(subject.runs[TEST_RUN], np.random.default_rng(0))
    np.testing.assert_allclose(courses.std(0), 1, rtol=1e-4)
    again = physiological_courses(subject.runs[TEST_RUN], np.random.default_rng(1))
    assert abs(np.corrcoef(courses[:, 2], again[:, 2])[0, 1]) < 0.3


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))
