"""How the manual is built: ``make docs``. Nothing is downloaded, and every warning is an error."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext")]

import numpydoc.xref  # noqa: E402
from public_names import linked_types  # noqa: E402

import brain2music  # noqa: E402

project, author, version = "brain2music", "The brain2music developers", brain2music.__version__
release, copyright = version, author

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "api_pages",
    "command_pages",
    "settings_page",
    "showcase",
    "formulas",
]
exclude_patterns = ["_build", "_ext", "_generated", "_templates"]
templates_path = ["_templates"]

# A reference to something that does not exist is an error. External names are not looked up: that takes a download.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|np|pandas|pd|torch|scipy|sklearn|nibabel|nilearn|pydantic|typing|pathlib)\..*")
]

autosummary_generate = True
autodoc_typehints = "none"  # types are in the sections of the docstrings, with shapes and units
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_default_options = {  # scikit-learn makes these for every estimator
    "exclude-members": "set_fit_request, set_predict_request, set_score_request, set_transform_request"
}
numpydoc_show_class_members = False  # the page of a class has its methods in full
numpydoc_xref_param_type = True
numpydoc.xref.DEFAULT_LINKS.clear()  # those of Python and numpy
numpydoc_xref_aliases = linked_types()
numpydoc_xref_ignore = "all"  # of the types in docstrings, ours are links

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"]
myst_substitutions = {"version": version}
myst_heading_anchors = 3
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": r"[\\/]plot_",
    "ignore_pattern": r"^(?!plot_).*\.py$",  # quickstart.py is a command; start.md shows it
    "doc_module": ("brain2music",),
    "backreferences_dir": "reference/api/examples",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # its page loads scripts from elsewhere
    "plot_gallery": True,
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "brain2music"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("benchmarks", "cite", "contributing", "showcase", "start", "troubleshooting")}
html_math_renderer = "mathml"
html_theme_options = {
    "header_links_before_dropdown": 5,
    "collapse_navigation": True,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
