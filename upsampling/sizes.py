"""Output-size formulas: the shape that each operator gives, from sizes and parameters alone."""

from __future__ import annotations
