"""What the pages show: figures, tables of records, diagrams, things to try in a notebook or a browser."""
