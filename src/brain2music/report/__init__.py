"""Results as pages: one HTML file per subject and one index, which open without a server."""
