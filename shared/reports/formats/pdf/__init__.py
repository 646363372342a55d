"""The PDF: Typst typesets pages, charts and summaries, a canvas draws long tables, and qpdf joins them."""
