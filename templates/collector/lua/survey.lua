-- Managed by primetime (roles/collector); edits are lost
-- What lies in the spool. Runs in a thread of a pool, called by segment.lua and lookout.lua; keeps no state, since each
-- call may meet another Lua VM.

local posix = require "collector.posix"

local SEGMENT = "^(%w+%-w%d%d)%-%d+%.(%a+)$"
local FIRST_RECORD = "^P1 1 %d+ %d+ (%d+) "

local M = {}

local function usage(spool, names)
    local total = 0
    for _, name in ipairs(names) do
        if name ~= ".." then total = total + (posix.stat(spool .. "/" .. name) or 0) end
    end
    return total
end

-- What the spool takes on disk. Reserved space counts: the budget is never overrun, however fast events come.
function M.usage(spool)
    local names, problem = posix.names(spool)
    if not names then return nil, problem end
    return usage(spool, names)
end

-- The same, how many segments there are, and when the oldest event in them was received (epoch milliseconds; 0 when
-- there is none). Segments are read to their first line, of each writer up to the first that has one.
function M.look(spool)
    local names, problem = posix.names(spool)
    if not names then return nil, problem end
    table.sort(names)
    local segments, oldest_ms, known = 0, nil, {}
    for _, name in ipairs(names) do
        local source, state = name:match(SEGMENT)
        if state == "open" or state == "sealed" then
            segments = segments + 1
            local first_ms = not known[source] and tonumber((posix.read(spool .. "/" .. name) or ""):match(FIRST_RECORD))
            if first_ms then
                known[source] = true
                oldest_ms = math.min(oldest_ms or first_ms, first_ms)
            end
        end
    end
    return usage(spool, names), segments, oldest_ms or 0
end

return M
