"""Pages for people, under `/console`: the use cases of `services.api.actions`, as HTML.

A page has no statement of its own and needs no JavaScript to be read; scripts make it live.
"""
