from .model import DiffRhythm as DiffRhythm
