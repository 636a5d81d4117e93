"""SSE, downloads, docs, reflection and health over HTTP."""
