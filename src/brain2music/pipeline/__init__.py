"""The flow from a study to scores (``run.py``), the steps that it is made of, and what they write (``outputs.py``)."""
