"""One view model, rendered as HTML, JSON and SARIF."""
