"""The colors of all charts."""

# Okabe and Ito's palette (2008). The first four have 3:1 against a white and a black page.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
