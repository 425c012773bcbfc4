"""The teaching kit: checks that say what is wrong, six assignments, and the way of a class from release to grades."""
