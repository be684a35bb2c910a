"""Fine-tuning of a culture's LoRA adapter on training text (NCN section 4.1): tokens, training step, state, folder.

Everything here runs in one process or as one of several; who starts the others is not its concern.
"""
