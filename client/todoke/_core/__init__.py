"""The client's logic without input and output: flows that say what to send and read the answers. The
shells run them.
"""
