"""Wrong gradients made by a program, to prove that `compare` cannot be fooled and to score its diagnosis.

- `formulas`      right hand-derived gradients, as source text, each with its forward function
- `changes`       every single-token change of a piece of source
- `generate`      mutants: changes compiled, those that leave the value as it is left out, causes found
- `score`         what `compare` says of them: verdicts, and how often the hint names the true cause
"""
