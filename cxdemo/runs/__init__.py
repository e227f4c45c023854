"""One run of a pipeline as the page, the endpoints and the command line see it."""
