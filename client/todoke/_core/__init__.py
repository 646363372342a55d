"""What the client does, without doing it: flows that say what to send and read what came. The shells carry it out."""
