"""How the bundled model is made: corpus, tokenizer, training, measurements, model card."""
