"""The listening test: people judge what a run made, and their answers are kept, exported and analysed.

:func:`read_material` finds the sounds in the output folder of a run, :func:`plan_session` makes the trials of one
listener, :class:`AnswerStore` keeps the answers, :func:`export_bids` writes them and :func:`analyse_answers` reports
them. The pages that ask the questions are in :mod:`brain2music.web`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
