"""What a core, a connection or an event was measured to take: data for primetime.capacity."""

from primetime.capacity import Figure

MACHINE = "2 cores, 24 GB, nothing else ran"
BUSY = "2 cores, 24 GB, busy with other work"
ACCEPT, CROWD, ROWKEY = "bench/accept", "bench/crowd", "bench/rowkey"

FIGURES = {
    # with 1024 connections: a crowd has many
    "accept_batch_1": Figure(68_496, "updates a CPU second", "2026-11-29", MACHINE, ACCEPT),
    "accept_batch_5": Figure(285_788, "updates a CPU second", "2026-11-29", MACHINE, ACCEPT),
    "accept_batch_10": Figure(531_513, "updates a CPU second", "2026-11-29", MACHINE, ACCEPT),
    "accept_batch_20": Figure(947_348, "updates a CPU second", "2026-11-29", MACHINE, ACCEPT),
    "connection_bytes": Figure(4_392, "bytes of nginx and kernel", "2026-11-25", MACHINE, CROWD),
    # full handshakes, an ECDSA key, TLS 1.3, one request each
    "tls_handshakes": Figure(1_762, "handshakes a CPU second", "2026-11-25", MACHINE, CROWD),
    # wide rows with a salt of 64, one RegionServer
    "store_updates": Figure(145_141, "updates/s of a RegionServer", "2026-11-21", BUSY, ROWKEY),
    "stored_bytes": Figure(227, "bytes of 150-byte events", "2026-11-21", BUSY, ROWKEY),
    # the most that the contract allows: 150 bytes, a newline, and a record's header for each event
    "spool_bytes": Figure(190, "bytes of 150-byte events", "2026-11-24", "-", "docs/architecture.md"),
}
