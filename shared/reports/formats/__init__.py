"""The formats, one module or folder each: every one makes a file from the extract."""
