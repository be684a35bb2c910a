"""Runs at scale: what is done of a plan, the pools of actors that its batches go to, and where its records lie.

pool.py      replicas of one actor: a batch goes to one that is free; lost ones come back
replicas.py  a replica that is a Ray actor
placing.py   how many actors a run has, what each gets, and where they go
ledger.py    what is finished, failed so often, or left; a few bytes a negotiation
writer.py    finished records go to storage in threads
storage.py   records in the run folder, or on any filesystem that pyarrow knows
journal.py   files of lines that are only added to: events and failures
"""
