"""Pages for people, under `/console`: the use cases of `services.api.actions` as HTML.

A page runs no statement of its own and can be read without JavaScript; scripts keep it up to date.
"""
