"""The programs that the demo runs; each is an example of the API and can be run by itself."""
