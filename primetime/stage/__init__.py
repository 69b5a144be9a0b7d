"""The live page: what a cluster does, as numbers that move; read once for all browsers, and only while one looks.

Readers (reading.py, over the cluster's own interfaces) → watch.py → a plain snapshot → JSON by server-sent events →
page/. moments.py does what the buttons say, and mends it. Called by `stage`.
"""
