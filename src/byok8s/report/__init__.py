"""What a run's record says of it, as a report: a page, a text, or the figures themselves.

`figures` reckons all that is told: with `time`, where it went; `workers`; `path`, what the run has waited for;
`usage`, what rules asked for and used; `prices`. `page`, of `told`, `charts` and `tables`, `text` and
`figures.as_json` show it. Values in, values out, but for `prices.read` and `file.write`.
"""
