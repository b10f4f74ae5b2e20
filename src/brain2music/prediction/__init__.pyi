from .brain_to_music import BrainToMusic as BrainToMusic
from .music_to_brain import MusicToBrain as MusicToBrain
from .music_to_brain import PredictedResponses as PredictedResponses
