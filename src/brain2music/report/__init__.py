"""Results to pages: one HTML file a subject and one index, that open without a server."""
