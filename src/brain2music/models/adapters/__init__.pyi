from .hub_weights import HubWeights as HubWeights
from .opus import Opus as Opus
