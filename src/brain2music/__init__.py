"""brain2music: from recordings of the listening brain to music.

Read :mod:`brain2music.pipeline.run` first: the whole reconstruction, top-down, on one page.
"""

__version__ = "0.1.0"
