"""Cultural adapters: training text from survey answers (NCN section 4.1), and the fine-tuning of an adapter on it.

A survey's answer shares are turned into question-answer pairs in a culture's voice (``apportion``, ``writers``, ``judge``,
``production``), kept as Parquet (``storage``), and a LoRA adapter is trained on them (``tokens``, ``finetuning``).
"""
