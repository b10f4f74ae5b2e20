"""Settings of the preprocessing of raw images. Every one of them changes what is written."""

from typing import Literal

from pydantic import Field

from ...config import Section


class PreprocessSettings(Section):
    """Settings by which raw BOLD images are preprocessed; they do not change once made.

    Examples
    --------
    >>> from brain2music.brain import PreprocessSettings
    >>> PreprocessSettings().registration
    'least-squares'
    """

    registration: Literal["least-squares", "ants"] = Field(
        "least-squares",
        description="How scans are aligned to the first: by least squares of intensities, or by ANTs (mutual "
        "information; some ten times slower; needs the extra prep).",
    )
    smoothing_mm: float = Field(
        5.0, gt=0, le=20, description="Smoothing (FWHM, mm) of images while least squares estimate their movement."
    )
    spline_order: int = Field(4, ge=1, le=5, description="Degree of the splines that resample scans; SPM: 4.")
    slice_timing: bool = Field(
        False, description="Interpolate slices to the middle of each scan, by SliceTiming of the sidecar."
    )
    anatomy: bool = Field(
        True, description="Name the regions of voxels: by FreeSurfer, or by an atlas warped through the T1 image."
    )
