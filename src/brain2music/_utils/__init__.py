"""What every folder uses: errors, files, locks, names, progress, the processor."""
