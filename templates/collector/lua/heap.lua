-- Managed by primetime (roles/collector); edits are lost
-- How a worker keeps its memory; called once, before there are workers. A group's requests end together, and glibc would
-- give what they held back to the system, to take it again, page by page, for the next group. (nginx.conf's
-- lua_malloc_trim 0 is for the same: the Lua module would do so itself, every thousand requests.)

local ffi = require "ffi"

ffi.cdef "int mallopt(int parameter, int value);"

local TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
local KEPT = 64 * 1048576 -- what 10,000 requests hold while they wait
local STEP = 1048576 -- taken at a time; the largest body (body_max_kb) is no mapping of its own then

ffi.C.mallopt(TRIM_THRESHOLD, KEPT)
ffi.C.mallopt(TOP_PAD, STEP)
ffi.C.mallopt(MMAP_THRESHOLD, STEP)
