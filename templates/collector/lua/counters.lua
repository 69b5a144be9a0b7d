-- Managed by primetime (roles/collector); edits are lost
-- What has been counted, by all workers together. Each counts in tables of its own, which takes no lock, and adds them
-- to the memory that all share a few times a second (tell); exposition.lua shows them. That memory outlives a reload
-- and a worker's death, not a restart.

local shared = ngx.shared.counters
local floor = math.floor

local M = {
    EVERY_S = 0.25, -- how often a worker tells; what it has not told is lost when it is killed
    -- upper bounds of what is counted in each: 2 s is when requests are refused
    SECONDS = { 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2 },
    EVENTS = { 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000 },
}

local requests = { events = {}, beacon = {}, other = {} } -- by route: by status
local written = { commits = 0, failed = 0, events = 0, bytes = 0, micros = 0 }
local by_seconds, by_events = {}, {} -- by bucket
local leaving = false

local function place(bounds, value)
    for number = 1, #bounds do
        if value <= bounds[number] then return number end
    end
    return #bounds + 1
end

local function up(counts, key)
    counts[key] = (counts[key] or 0) + 1
end

-- What is shown before there is any: a rate needs a number to begin with.
function M.begin()
    shared:add("start", ngx.now())
    for _, route in ipairs { "events", "beacon" } do
        for _, status in ipairs { 204, 400, 503 } do shared:add("requests " .. route .. " " .. status, 0) end
    end
end

-- A group is on disk, `seconds` after its turn came.
function M.committed(group, seconds)
    written.commits = written.commits + 1
    written.events = written.events + group.count
    written.bytes = written.bytes + group.bytes
    written.micros = written.micros + floor(seconds * 1e6 + 0.5)
    up(by_seconds, place(M.SECONDS, seconds))
    up(by_events, place(M.EVENTS, group.count))
end

function M.failed()
    written.failed = written.failed + 1
end

local function add(prefix, counts)
    for key, count in pairs(counts) do
        if count > 0 then
            shared:incr(prefix .. " " .. key, count, 0)
            counts[key] = 0
        end
    end
end

-- Adds what this worker has counted to the shared memory.
function M.tell()
    for route, by_status in pairs(requests) do add("requests " .. route, by_status) end
    add("written", written)
    add("by_seconds", by_seconds)
    add("by_events", by_events)
end

-- From now on nobody tells any more: each request is told by itself.
function M.leave()
    leaving = true
    M.tell()
end

-- A request of one of the routes gets its answer.
function M.answered(route, status)
    up(requests[route], status)
    if leaving then M.tell() end
end

-- Any other: one that nginx refused by itself has been sent to another location, and is counted where it wanted to go.
function M.answered_elsewhere()
    local path = (ngx.var.request_uri or ""):match("^[^?]*")
    M.answered(path == "/events" and "events" or path == "/e" and "beacon" or "other", ngx.status)
end

return M
