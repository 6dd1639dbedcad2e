"""The small typed expression language of checks, expectations and thresholds.

    status == 200 and json.items[0].name matches "^ring"
    sales.recovery < 30s and sales.lost == 0
    all(json.items[*].quantity >= 0) or error in ["refused", "timeout"]

Names, indexes, literals with units, comparisons, ``and or not``, five functions; no arithmetic and no eval. Types are
checked when a spec is compiled, with every problem found at once; evaluation is three-valued and never raises: what
cannot be decided is unknown, and says why.
"""

from .expression import Expression, compile_expression, compile_path, parse
from .outcomes import Judgement, Missing
from .problems import ExpressionError, ExpressionProblem, did_you_mean
from .types import Kind, Scope, Type

__all__ = [
    "Expression",
    "compile_expression",
    "compile_path",
    "parse",
    "Judgement",
    "Missing",
    "ExpressionError",
    "ExpressionProblem",
    "did_you_mean",
    "Kind",
    "Scope",
    "Type",
]
