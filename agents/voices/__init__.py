"""Training text for cultural adapters, made from survey answers (NCN section 4.1).

An item's answer shares are turned into question-answer pairs in a culture's voice (``apportion``, ``writers``, ``judge``,
``production``) and kept as Parquet (``storage``). ``agents.tuning`` trains an adapter on them.
"""
