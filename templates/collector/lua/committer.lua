-- Managed by primetime (roles/collector); edits are lost
-- Writes the groups, one after another, and says how the spool is doing. One long-lived loop per worker, in a timer:
-- no request ever leads a commit, so none can wait longer than its own deadline. Timers, like content handlers, may
-- call ngx.run_worker_thread: both are resumed in the same way (the hangs it is known for are of earlier phases).

local semaphore = require "ngx.semaphore"
local clock = require "collector.clock"
local config = require "collector.config"
local counters = require "collector.counters"
local disk = require "collector.disk"
local groups = require "collector.group"
local keeper = require "collector.keeper"

local TICK_S = 0.25 -- how exact the age of an idle segment is, and how soon an exiting worker is noticed
local LAST_LINE_ROOM = 64 -- for "E1" and its three numbers
local FIRST_TRY, LAST_TRY = 4, 64 -- commits from one try to the next, as tries bring nothing

local wake = assert(semaphore.new())
local current -- the open segment: { fd, number, place, bytes, records, events, opened, damaged }
local busy_since -- when the commit in progress began
local began = 0 -- when the last one did, by the exact clock
local worth = config.small_requests -- how many requests a group waits for
local every, next_try = FIRST_TRY, FIRST_TRY -- commits between tries, and until the next one
local state = "starting" -- then running, stopped
local draining, looked = false, 0 -- whether somebody wants the spool to become empty, and when that was looked up

local M = {}

local function retire()
    keeper.finish(current)
    current = nil
end

local function begin()
    local file, problem = keeper.next_segment(busy_since + config.deadline_s)
    if not file then return nil, problem end
    local place = keeper.place
    local ok, why = disk.call("segment", "begin", config.spool, place.ulid, place.worker, file.number)
    if not ok then
        keeper.abandon(why)
        return nil, why
    end
    keeper.begun()
    current = { fd = file.fd, number = file.number, place = place, bytes = 0, records = 0, events = 0,
                opened = clock.now() }
    return true
end

local function is_old()
    return current and clock.now() - current.opened >= config.segment_age_s
end

local function write(group)
    local size = groups.HEADER_ROOM + group.bytes + LAST_LINE_ROOM
    if current and (is_old() or current.bytes + size > config.segment_bytes) then retire() end
    if not current then
        local ok, problem = begin()
        if not ok then return nil, problem end
    end
    local segment = current
    local bytes, problem = disk.call("segment", "append", segment.fd, segment.bytes, segment.records + 1, group.address,
                                     group.bytes, group.count, clock.wall_ms())
    if not bytes then
        segment.damaged = true
        retire()
        keeper.report(problem) -- nothing is begun for a second: a broken disk must not eat numbers
        return nil, problem
    end
    segment.bytes, segment.records, segment.events = bytes, segment.records + 1, segment.events + group.count
    return true
end

-- The file is in memory, as all of the folder: looking for it never waits for a disk.
local function look_whether_draining()
    if clock.now() - looked < TICK_S then return end
    looked = clock.now()
    local file = io.open(config.drain_file)
    draining = file ~= nil
    if file then file:close() end
end

-- A sync costs as much as many requests, whatever it writes. So a group of few rests until a little while after the
-- last commit began, that more may join it. But where a few clients send one request after the other, all of them are
-- soon there, and nobody would come: a group waits for no more requests than came the last time, and only tries, now
-- and then, whether there are more.
local function rest()
    local left_ms = math.ceil((config.rest_s - (clock.exact() - began)) * 1000) -- timers know no less
    if left_ms <= 0 then return end
    next_try = next_try - 1
    local trying = next_try <= 0
    local wanted = trying and config.small_requests or worth
    local requests = math.min(groups.let_grow(wanted, left_ms / 1000), config.small_requests)
    if trying then
        every = requests > worth and FIRST_TRY or math.min(2 * every, LAST_TRY)
        next_try = every
    end
    if trying or requests < wanted then worth = requests end
end

local function commit(group)
    began = clock.exact()
    busy_since = clock.now()
    local ran, stored, problem = pcall(write, group)
    if not ran then
        problem = stored
        if current then
            current.damaged = true
            retire()
        end
        keeper.report(problem)
    end
    busy_since = nil
    if ran and stored then
        counters.committed(group, clock.exact() - began)
    else
        counters.failed()
    end
    groups.finish(group, ran and stored, problem)
end

-- Tells the loop that a group is there.
function M.wake()
    if wake:count() < 1 then wake:post() end
end

-- Why a request would get a 503 now; nil when it would not.
function M.refusal()
    if state == "stopped" then return "the collector is stopping" end
    if draining then return "the collector is draining" end
    if busy_since and clock.now() - busy_since > config.deadline_s then return "the disk is slow" end
    if not current and keeper.problem then return keeper.problem end
end

-- The same, and nil only once the worker has its place and a segment to write to.
function M.not_ready()
    local starting = state == "starting" or not (current or keeper.has_prepared())
    return M.refusal() or (starting and "the collector is starting") or nil
end

function M.is_draining()
    return draining
end

function M.is_stopped()
    return state == "stopped"
end

-- Runs until the worker exits and everyone has an answer.
function M.run()
    state = "running"
    repeat
        wake:wait(TICK_S)
        look_whether_draining() -- first: what was accepted until now is written below, and then nothing more comes
        while groups.is_gathering() do
            rest()
            commit(groups.take())
        end
        if is_old() or (draining and current) then retire() end
    until ngx.worker.exiting() and not groups.is_gathering()
    state = "stopped"
    if current then retire() end
    keeper.wake()
end

return M
