"""One module or folder per format: the extract in, a file out."""
