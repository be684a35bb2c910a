"""A learned oracle: a culture's adapter trained to propose what answers the opponents' mixture best."""
