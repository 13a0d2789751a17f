"""Sparsity patterns: which elements of an operator's operands reach which elements of its output.

`algebra` composes and unites patterns, `factors` are the relations of indices that they are made of, `moves` read them
off views and gathers, `matrices` off functions of matrices; `operators` has the pattern of every operator.
"""
