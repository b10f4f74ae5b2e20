from .dataset import simulate as simulate
from .design import DESIGNS as DESIGNS
from .design import PlannedRun as PlannedRun
from .design import StudyDesign as StudyDesign
from .subject import SimulatedSubject as SimulatedSubject
from .subject import make_subject as make_subject
from .truth import Truth as Truth
from .truth import read_truth as read_truth
