"""One view model, rendered as HTML, JSON, SARIF and Markdown."""
