"""A typeset document: Typst sets pages, charts and summaries; a canvas draws long tables; qpdf joins them."""
