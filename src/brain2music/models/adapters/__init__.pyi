from .hub_weights import HubWeights as HubWeights
from .named_files import NamedFiles as NamedFiles
from .opus import Opus as Opus
