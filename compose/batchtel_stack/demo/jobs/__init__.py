"""The programs that the demo runs; each can be read as an example of the API and run by itself."""
