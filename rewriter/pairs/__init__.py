"""From labelled texts to what a rewriter learns from and is measured on: units, requests, supervised and preference pairs."""
