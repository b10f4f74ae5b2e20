"""Linear maps on plain arrays, with scikit-learn skins on top. Imports nothing else of ours."""
