from .decoded import identification as identification
from .score import Score as Score
