"""The book's instruments: what a network costs."""

from .cost import LayerCost, format_table, summarize, total

__all__ = ["LayerCost", "format_table", "summarize", "total"]
