"""Models as files: a JSON document and arrays, never code."""
