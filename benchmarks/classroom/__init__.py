"""A class of 60 through the whole path of the classroom. See `__main__`."""
