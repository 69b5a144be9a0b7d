-- Managed by primetime (roles/collector); edits are lost
-- Keeps the spool around the segment that is being written: takes a place in it, has the next segment's space ready
-- before anybody waits for it, and seals finished segments. A loop of its own, so that none of this delays a commit.

local semaphore = require "ngx.semaphore"
local clock = require "collector.clock"
local config = require "collector.config"
local disk = require "collector.disk"

local TICK_S = 0.25 -- how soon it notices that a retry is due, or that the worker is exiting
local RETRY_S = 1 -- a full disk or spool is looked at again this often

local wake, ready = assert(semaphore.new()), assert(semaphore.new())
local prepared -- the reserved file of the next segment: { fd, number }
local finished = {} -- segments to seal
local last_number
local last_bytes = 0 -- of the segment that was finished last
local retry_at = 0

local M = { problem = nil, place = nil, done = false } -- place: { worker, ulid, lock }

local function signal(sem)
    if sem:count() < 1 then sem:post() end
end

-- Says why no segment can be begun for now (nil: it can); an operator reads it once, not every second.
local function report(problem)
    if problem and problem ~= M.problem then ngx.log(ngx.ERR, "spool: ", problem) end
    M.problem = problem
    if problem then retry_at = clock.now() + RETRY_S end
    signal(ready)
end
M.report = report

local function claim()
    local lock, worker, number, ulid = disk.call("slot", "claim", config.spool, clock.wall_ms())
    if not lock then return report(worker) end
    M.place, last_number = { worker = worker, ulid = ulid, lock = lock }, number
end

-- Bytes of the next segment to fill with zeros: as many as the last one took, and at least what is configured.
local function to_fill()
    if config.filled_bytes == 0 then return 0 end
    return math.min(math.max(config.filled_bytes, last_bytes), config.segment_bytes)
end

local function prepare()
    local number = last_number + 1
    local fd, problem = disk.call("segment", "prepare", config.spool, M.place.worker, number, config.segment_bytes,
                                  to_fill(), config.fill_s, config.budget_bytes)
    if not fd then return report(problem) end
    prepared = { fd = fd, number = number }
end

local function seal(segment)
    local place = segment.place
    local ok, problem = disk.call("segment", "seal", config.spool, place.ulid, place.worker, segment.number, segment.fd,
                                  segment.bytes, segment.records, segment.events, segment.damaged)
    if not ok then ngx.log(ngx.ERR, "spool: left for the shipper to close: ", problem) end
end

-- The file for the next segment; waits while it is being prepared, up to `deadline`, else nil and why. It stays the
-- keeper's until begun() or abandon(): nothing else is prepared while it gets its name.
function M.next_segment(deadline)
    while not prepared and not M.problem do
        local left = deadline - clock.now()
        if left <= 0 then return nil, "the disk is slow" end
        ready:wait(left)
    end
    if M.problem then return nil, M.problem end
    return prepared
end

function M.begun()
    prepared, last_number = nil, prepared.number
    signal(wake)
end

-- The file could not become a segment: starts over, from what is on disk.
function M.abandon(problem)
    local place, fd = M.place, prepared.fd
    M.place, prepared = nil, nil
    report(problem)
    disk.call("slot", "abandon", place.lock, fd)
end

function M.wake()
    signal(wake)
end

function M.finish(segment)
    finished[#finished + 1] = segment
    last_bytes = segment.bytes
    signal(wake)
end

function M.has_prepared()
    return prepared ~= nil
end

local function step()
    while finished[1] do seal(table.remove(finished, 1)) end
    if clock.now() < retry_at then return end
    if not M.place then claim() end
    if M.place and not prepared then prepare() end
    if prepared and clock.now() >= retry_at then report(nil) end -- the committer may have reported in the meantime
end

-- Runs until `stopped()`, then leaves the spool as it would like to find it.
function M.run(stopped)
    while true do
        local ok, err = pcall(step)
        if not ok then report(err) end
        if stopped() and not finished[1] then break end
        wake:wait(TICK_S)
    end
    if M.place then
        disk.call("slot", "release", config.spool, M.place.worker, M.place.lock, prepared and prepared.fd)
        M.place, prepared = nil, nil
    end
    M.done = true
end

return M
