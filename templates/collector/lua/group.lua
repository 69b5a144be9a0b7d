-- Managed by primetime (roles/collector); edits are lost
-- Groups of events: while one is being written, the next one gathers, in the other of two buffers. One write and one
-- sync then answer for everyone in it. Filled by intake.lua, taken and answered by committer.lua.

local ffi = require "ffi"
local semaphore = require "ngx.semaphore"
local clock = require "collector.clock"
local config = require "collector.config"
local scanner = require "collector.scanner"

ffi.cdef "void *malloc(size_t size);"

local HEADER_ROOM = 96 -- before the lines, for segment.append: "P1", four numbers and a checksum

-- Half a segment: a group always fits into an empty one. It is only touched, and so only takes memory, as far as
-- groups have grown; what gathers while a disk is stuck ends here.
local CAPACITY = config.segment_bytes / 2

local function buffer()
    local memory = ffi.C.malloc(HEADER_ROOM + CAPACITY)
    assert(memory ~= nil, "no memory for a group of events")
    return ffi.cast("uint8_t *", memory) + HEADER_ROOM -- never freed: a thread may still be reading it
end

local gathering, idle = nil, { buffer(), buffer() }
local enough, wanted = assert(semaphore.new()), nil -- until a group has so many requests its writer waits
local pointer = ffi.typeof("const uint8_t *")

local M = { HEADER_ROOM = HEADER_ROOM }

local function new()
    local lines = table.remove(idle)
    return { lines = lines, address = tonumber(ffi.cast("uintptr_t", lines)), bytes = 0, count = 0, requests = 0,
             stored = false, done = assert(semaphore.new()) }
end

-- Between tokens CR, LF and TAB mean no more than a space; in an event's bytes they would end its line. There are none
-- in strings: the scanner refuses raw control characters.
local function replace_breaks(lines, from, to)
    for at = from, to - 1 do
        if lines[at] < 0x20 then lines[at] = 0x20 end
    end
end

-- Adds the `count` events of `body` that the scanner has just found; the group to wait for, or nil when it is full.
function M.add(body, count)
    local group = gathering
    if not group then
        group = new()
        gathering = group
    end
    if group.bytes + #body > CAPACITY then return nil end -- brackets and commas make up for the newlines
    local source, lines, size = ffi.cast(pointer, body), group.lines, group.bytes
    local starts, ends, breaks = scanner.starts, scanner.ends, scanner.breaks
    for index = 0, count - 1 do
        local length = ends[index] - starts[index]
        ffi.copy(lines + size, source + starts[index], length)
        if breaks then replace_breaks(lines, size, size + length) end
        size = size + length
        lines[size] = 0x0A
        size = size + 1
    end
    group.bytes, group.count, group.requests = size, group.count + count, group.requests + 1
    if group.requests == wanted and enough:count() < 0 then enough:post() end
    return group
end

-- True when the group is on disk within the deadline; a result that comes later is nobody's answer.
function M.wait(group)
    local deadline = clock.now() + config.deadline_s
    group.done:wait(config.deadline_s)
    return group.stored and clock.now() <= deadline
end

function M.is_gathering()
    return gathering ~= nil
end

-- Waits until the group that gathers has `requests` of them, at most `seconds`; how many it has then.
function M.let_grow(requests, seconds)
    wanted = requests
    if gathering.requests < requests then enough:wait(seconds) end
    return gathering.requests
end

-- The group that has gathered, to be written; the next event starts another one.
function M.take()
    local group = gathering
    gathering = nil
    return group
end

-- Answers everyone who still waits, and gives the buffer to the next group.
function M.finish(group, stored, problem)
    group.stored, group.problem = stored, problem
    idle[#idle + 1] = group.lines
    local waiting = -group.done:count()
    if waiting > 0 then group.done:post(waiting) end
end

return M
