"""How fast a dump gets into a server: the engine, the usual ways, and the least it can take.

`python -m bench.engine --help` says what can be asked; docs/performance.md how to read the answer.
"""
