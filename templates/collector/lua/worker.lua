-- Managed by primetime (roles/collector); edits are lost
-- Starts the two loops of a worker process, when nginx starts it: also after a crash, and after a reload. Beside them
-- it tells, a few times a second, what it has counted and whether it takes traffic.

local committer = require "collector.committer"
local counters = require "collector.counters"
local keeper = require "collector.keeper"
local lookout = require "collector.lookout"
local reading = require "collector.reading"

local NEVER_S = 1e9
local GLANCE_S = 0.02
local READY_FOR_S = 3 -- a worker that stands still for longer does not count as ready

local M = {}

-- An exiting nginx ends pending timers at once, and then itself as soon as no timer is left; it does not wait for
-- threads. So this one is pending for ever, and holds the worker until its segments are sealed.
local function see_off()
    committer.wake()
    while not keeper.done do ngx.sleep(GLANCE_S) end
end

local function tell(premature)
    if premature then return counters.leave() end
    counters.tell()
    ngx.shared.counters:set("ready " .. ngx.worker.id(), committer.not_ready() and 0 or 1, READY_FOR_S)
end

function M.start()
    counters.begin()
    assert(ngx.timer.at(0, function() keeper.run(committer.is_stopped) end))
    assert(ngx.timer.at(0, function() committer.run() end))
    assert(ngx.timer.at(NEVER_S, see_off))
    assert(ngx.timer.every(counters.EVERY_S, tell))
    lookout.start()
    reading.start()
end

return M
