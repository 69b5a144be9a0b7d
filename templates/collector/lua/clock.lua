-- Managed by primetime (roles/collector); edits are lost
-- Two clocks: one that only goes forward, for deadlines and ages, and the wall clock, which somebody may set.

local ffi = require "ffi"

local C = ffi.C

ffi.cdef [[
extern volatile uintptr_t ngx_current_msec; /* nginx's own: monotonic, and read once per turn of its loop */
struct clock_timespec { long sec, nsec; };
int clock_gettime(int clock, struct clock_timespec *time);
]]

local MONOTONIC = 1
local time = ffi.new "struct clock_timespec"

local M = {}

-- Seconds since some moment.
function M.now()
    return tonumber(C.ngx_current_msec) / 1000
end

-- The same to the microsecond, for what is measured; seconds since another moment.
function M.exact()
    C.clock_gettime(MONOTONIC, time)
    return tonumber(time.sec) + tonumber(time.nsec) / 1e9
end

-- Epoch milliseconds, a whole number.
function M.wall_ms()
    return math.floor(ngx.now() * 1000 + 0.5)
end

return M
