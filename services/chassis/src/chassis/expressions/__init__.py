"""CEL expressions inside `${{ }}`, as workflows write them.

A string that is nothing but one expression keeps the value's type; otherwise each expression's value becomes
text. The text around expressions is taken as it is; a literal `${{` is written `${{ '${{' }}`.

Evaluation holds the interpreter: what would be too much work is refused before it is begun (`work`), sizes are capped
here, and CEL itself stops a comprehension that runs away.
"""

from chassis.expressions.compiled import DEFAULT_ROOTS, Expression
from chassis.expressions.errors import EvaluationError, ExpressionError
from chassis.expressions.template import MAX_EXPRESSIONS, Template

__all__ = [
    "DEFAULT_ROOTS",
    "MAX_EXPRESSIONS",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Template",
]
