"""Sound: reading, resampling, composing by rule, General-MIDI rendering."""
