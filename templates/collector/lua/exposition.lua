-- Managed by primetime (roles/collector); edits are lost
-- GET /metrics, on a port of its own: what counters.lua and lookout.lua have put into the shared memory, and nginx's
-- own count of connections, in Prometheus' text format. Never waits for a disk. What each means: docs/metrics.md.

local ffi = require "ffi"
local answer = require "collector.answer"
local clock = require "collector.clock"
local config = require "collector.config"
local counters = require "collector.counters"

local C = ffi.C

ffi.cdef [[ /* of all workers, in memory that they share */
extern volatile uintptr_t *ngx_stat_accepted, *ngx_stat_handled, *ngx_stat_reading, *ngx_stat_writing, *ngx_stat_waiting;
]]

local PREFIX = "primetime_collector_"
local TYPE = "text/plain; version=0.0.4"

local shared = ngx.shared.counters

local M = {}

local function get(key)
    return shared:get(key) or 0
end

local function family(lines, name, kind, help)
    lines[#lines + 1] = ("# HELP %s%s %s\n# TYPE %s%s %s"):format(PREFIX, name, help, PREFIX, name, kind)
end

local function sample(lines, name, value)
    lines[#lines + 1] = PREFIX .. name .. " " .. value
end

local function one(lines, name, kind, help, value)
    family(lines, name, kind, help)
    sample(lines, name, value)
end

local function requests(lines)
    family(lines, "requests_total", "counter", "Requests answered, by what they asked for and the answer's status.")
    local keys = shared:get_keys(0)
    table.sort(keys)
    for _, key in ipairs(keys) do
        local route, status = key:match("^requests (%a+) (%d+)$")
        if route then sample(lines, ('requests_total{route="%s",code="%s"}'):format(route, status), get(key)) end
    end
end

local function histogram(lines, name, help, key, bounds, sum)
    family(lines, name, "histogram", help)
    local count = 0
    for number = 1, #bounds + 1 do
        count = count + get(key .. " " .. number)
        sample(lines, ('%s_bucket{le="%s"}'):format(name, bounds[number] or "+Inf"), count)
    end
    sample(lines, name .. "_sum", sum)
    sample(lines, name .. "_count", count)
end

local function writing(lines)
    one(lines, "events_total", "counter", "Events written and synced to the spool.", get("written events"))
    one(lines, "event_bytes_total", "counter", "Their bytes.", get("written bytes"))
    histogram(lines, "commit_seconds", "How long a group took to be on disk.", "by_seconds", counters.SECONDS,
              get("written micros") / 1e6)
    histogram(lines, "commit_events", "Events in a group that one sync put on disk.", "by_events", counters.EVENTS,
              get("written events"))
    one(lines, "commit_failures_total", "counter", "Groups that could not be written.", get("written failed"))
end

local function spool(lines)
    one(lines, "spool_budget_bytes", "gauge", "What the spool may take; then requests get 503.", config.budget_bytes)
    local looked_ms, oldest_ms = get("spool looked_ms"), get("spool oldest_ms")
    if looked_ms == 0 then return end
    one(lines, "spool_bytes", "gauge", "What the spool takes, reserved space included.", get("spool bytes"))
    one(lines, "spool_segments", "gauge", "Segments that have not been shipped and removed.", get("spool segments"))
    one(lines, "spool_oldest_seconds", "gauge", "Age of the oldest event in them; 0 when there is none.",
        oldest_ms > 0 and math.max(0, clock.wall_ms() - oldest_ms) / 1000 or 0)
    one(lines, "spool_looked_timestamp_seconds", "gauge", "When the spool was last looked at.", looked_ms / 1000)
end

local function connections(lines)
    family(lines, "connections", "gauge", "Open connections, by what they wait for.")
    for _, state in ipairs { "reading", "writing", "waiting" } do
        sample(lines, ('connections{state="%s"}'):format(state), tonumber(C["ngx_stat_" .. state][0]))
    end
    local accepted, handled = tonumber(C.ngx_stat_accepted[0]), tonumber(C.ngx_stat_handled[0])
    one(lines, "connections_limit", "gauge", "Connections that fit into all workers.",
        config.worker_connections * ngx.worker.count())
    one(lines, "connections_accepted_total", "counter", "Connections accepted.", accepted)
    one(lines, "connections_dropped_total", "counter", "Connections accepted and closed at once, for want of room.",
        accepted - handled)
end

-- A worker that has not said so lately is not.
local function ready()
    for worker = 0, ngx.worker.count() - 1 do
        if get("ready " .. worker) ~= 1 then return 0 end
    end
    return 1
end

function M.get()
    local method = ngx.req.get_method()
    if method ~= "GET" and method ~= "HEAD" then return answer.wrong_method("GET, HEAD") end
    counters.tell()
    local lines = {}
    one(lines, "ready", "gauge", "1 when every worker takes traffic.", ready())
    one(lines, "start_time_seconds", "gauge", "When it started, and counters were 0.", get("start"))
    requests(lines)
    writing(lines)
    spool(lines)
    connections(lines)
    local text = table.concat(lines, "\n") .. "\n"
    ngx.header["Content-Type"] = TYPE
    ngx.header["Content-Length"] = #text
    ngx.print(text)
end

return M
