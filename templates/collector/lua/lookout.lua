-- Managed by primetime (roles/collector); edits are lost
-- Looks at the spool once a second, in one worker for all of them, so that GET /metrics (exposition.lua) never waits
-- for a disk. While the disk stands still, what was last seen stays, with the time at which it was seen.

local clock = require "collector.clock"
local config = require "collector.config"
local disk = require "collector.disk"

local EVERY_S = 1

local shared = ngx.shared.counters
local looking = false

local M = {}

local function look(premature)
    if premature or looking then return end
    looking = true
    local bytes, segments, oldest_ms = disk.look("survey", "look", config.spool)
    looking = false
    if not bytes then return end
    shared:set("spool bytes", bytes)
    shared:set("spool segments", segments)
    shared:set("spool oldest_ms", oldest_ms)
    shared:set("spool looked_ms", clock.wall_ms())
end

function M.start()
    if ngx.worker.id() ~= 0 then return end
    assert(ngx.timer.at(0, look))
    assert(ngx.timer.every(EVERY_S, look))
end

return M
