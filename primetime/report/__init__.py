"""What a show was, in one file to keep and to send on: curves, certificates, alerts, capacity. See docs/report.md.

`window` says from when to when, `prometheus` reads what the monitoring host kept of that, `chart` draws, `evening` puts
it together, `page` writes the HTML. Called by `show report`.
"""
