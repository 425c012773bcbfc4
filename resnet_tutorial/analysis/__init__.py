"""The book's instruments: what a network costs."""

from .cost import LayerCost, describe_stage, format_table, summarize, total

__all__ = ["LayerCost", "describe_stage", "format_table", "summarize", "total"]
