"""How well rewriters do: measures of a rewriting, references to set them beside, intervals over topics."""
