"""Music composed by rule: ten genres as data, one engine that reads them, captions from the truth."""
