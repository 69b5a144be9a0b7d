-- Managed by primetime (roles/collector); edits are lost
-- Starts the two loops of a worker process, when nginx starts it: also after a crash, and after a reload.

local committer = require "collector.committer"
local keeper = require "collector.keeper"

local NEVER_S = 1e9
local GLANCE_S = 0.02

local M = {}

-- An exiting nginx ends pending timers at once, and then itself as soon as no timer is left; it does not wait for
-- threads. So this one is pending for ever, and holds the worker until its segments are sealed.
local function see_off()
    committer.wake()
    while not keeper.done do ngx.sleep(GLANCE_S) end
end

function M.start()
    assert(ngx.timer.at(0, function() keeper.run(committer.is_stopped) end))
    assert(ngx.timer.at(0, function() committer.run() end))
    assert(ngx.timer.at(NEVER_S, see_off))
end

return M
