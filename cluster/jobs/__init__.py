"""Commands of Concordat as jobs of a running Ray cluster: packed, submitted, followed, found again."""
