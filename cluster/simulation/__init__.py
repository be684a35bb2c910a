"""Runs at scale: what is done of a plan, and the pools of actors that its batches go to.

pool.py      replicas of one actor: a batch goes to one that is free; lost ones come back
replicas.py  a replica that is a Ray actor
placing.py   how many actors a run has, what each gets, and where they go
"""
