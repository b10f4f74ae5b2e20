from .dataset import simulate as simulate
from .design import DESIGNS as DESIGNS
from .design import StudyDesign as StudyDesign
from .truth import Truth as Truth
from .truth import read_truth as read_truth
