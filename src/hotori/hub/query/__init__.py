"""Queries over twins: SELECT … FROM devices WHERE … (contract 2.5).

Text becomes tokens, tokens a query, and a query is asked of rows: plain documents. Only `page` knows where rows
come from. It sorts nothing and joins nothing: rows come in the order of their names.
"""
