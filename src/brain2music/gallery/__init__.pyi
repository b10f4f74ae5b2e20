from .build import build_gallery as build_gallery
from .duplicates import find_duplicates as find_duplicates
from .duplicates import mark_duplicates as mark_duplicates
from .gallery import Gallery as Gallery
from .gallery import Hits as Hits
from .query import search_like as search_like
from .query import search_text as search_text
from .query import search_vector as search_vector
