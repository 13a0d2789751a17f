"""Influence diagrams: which elements of the inputs reach which elements of a result.

Read from the operators' sparsity patterns (`drawing.patterns`), carried back over the tape (`flow`), told apart from
zeros in numbers (`numbers`), cut to what can be drawn (`classes`), put into words (`words`), written as DOT
(`dot`); `diagram` brings them together.
"""
