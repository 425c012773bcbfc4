"""The book's instruments: what a network costs."""

from .cost import LayerCost, format_table, summarize, summarize_architecture, total, total_activations

__all__ = ["LayerCost", "format_table", "summarize", "summarize_architecture", "total", "total_activations"]
