-- Managed by primetime (roles/collector); edits are lost
-- A segment's life on disk, from reserved space to sealed file: the contract "Spool". Runs in a thread of the pool,
-- called by keeper.lua and committer.lua; keeps no state, since each call may meet another Lua VM.

local ffi = require "ffi"
local clock = require "collector.clock"
local posix = require "collector.posix"
local slot = require "collector.slot"
local survey = require "collector.survey"

local C = ffi.C

ffi.cdef "unsigned long crc32(unsigned long crc, const void *buffer, unsigned length);" -- zlib, which nginx links

local ZEROS = 1048576

local M = {}

local function next_path(spool, worker)
    return ("%s/w%02d.next"):format(spool, worker)
end

local function path_of(spool, ulid, worker, number)
    return ("%s/%s-w%02d-%010d"):format(spool, ulid, worker, number)
end

-- Writes zeros to the first `length` bytes, a little at a time: a commit's sync queues behind each. To write to a block
-- that is only reserved costs each sync of a record another write, of the block's state, and with a journal a commit
-- of that. On a slow disk the rest stays reserved after `most_s`: somebody may be about to need this segment.
local function fill_with_zeros(fd, length, most_s)
    local zeros, ends, ok, problem = ffi.new("char[?]", ZEROS), clock.exact() + most_s, true, nil
    for offset = 0, length - 1, ZEROS do
        if clock.exact() >= ends then break end
        ok, problem = posix.write(fd, zeros, math.min(ZEROS, length - offset), offset)
        if ok then ok, problem = posix.sync_data(fd) end
        if not ok then break end
    end
    return ok, problem
end

local function fill(fd, number, reserve, filled, most_s)
    local ok, problem = posix.lock(fd) -- held from birth: a reader never sees an open segment without its lock
    if ok then ok, problem = posix.reserve(fd, reserve) end
    if ok then ok, problem = fill_with_zeros(fd, filled, most_s) end
    if ok then ok, problem = posix.set_time(fd, number) end -- what for: slot.lua, last_number
    if ok then ok, problem = posix.sync(fd) end
    return ok, problem
end

-- Reserves the space of segment `number` before anybody waits for it, and fills the first part of it with zeros, for at
-- most `most_s`. Returns its open, locked file.
function M.prepare(spool, worker, number, reserve, filled, most_s, budget)
    local path = next_path(spool, worker)
    posix.unlink(path) -- one that a killed worker has left
    local used, unknown = survey.usage(spool)
    if not used then return nil, unknown end
    if used + reserve > budget then
        return nil, ("the spool has reached its budget of %d MB"):format(budget / 1048576)
    end
    local fd, why = posix.open(path, posix.RDWR + posix.CREAT + posix.EXCL)
    if not fd then return nil, why end
    local ok, problem = fill(fd, number, reserve, filled, most_s)
    if ok then ok, problem = slot.draft_number(spool, worker, number) end
    if ok then ok, problem = posix.sync_folder(spool) end
    if ok then return fd end
    posix.unlink(path)
    posix.close(fd)
    return nil, problem
end

-- Makes the prepared file segment `number`: the number is on disk before the segment appears.
function M.begin(spool, ulid, worker, number)
    if not posix.stat(next_path(spool, worker)) then return nil, "the space reserved for the next segment is gone" end
    local ok, problem = slot.publish_number(spool, worker)
    if not ok then return nil, problem end
    ok, problem = posix.rename(next_path(spool, worker), path_of(spool, ulid, worker, number) .. ".open")
    if not ok then return nil, problem end
    return posix.sync_folder(spool)
end

-- Writes and syncs one record at `offset`. Its lines are at `address`, a pointer into the worker's memory as a number;
-- the room before them is for the header, so that one write does. Returns the offset after the record.
function M.append(fd, offset, sequence, address, bytes, count, received_ms)
    local lines = ffi.cast("char *", ffi.cast("uintptr_t", address))
    local header = ("P1 %d %d %d %d "):format(sequence, bytes, count, received_ms)
    local crc = C.crc32(C.crc32(0, header, #header), lines, bytes)
    header = ("%s%08x\n"):format(header, tonumber(crc))
    ffi.copy(lines - #header, header, #header)
    local ok, problem = posix.write(fd, lines - #header, #header + bytes, offset)
    if ok then ok, problem = posix.sync_data(fd) end
    if not ok then return nil, problem end
    return offset + #header + bytes
end

-- Ends a segment at `bytes`, and closes its file in any case: without its lock, the shipper closes what is left open.
-- The last line goes into reserved space before the rest of that is given back, so a full disk cannot stop it.
-- A damaged file is never synced again: a second sync may say that lost pages are on disk.
function M.seal(spool, ulid, worker, number, fd, bytes, records, events, damaged)
    local path = path_of(spool, ulid, worker, number)
    local last = ("E1 %d %d %d\n"):format(records, events, bytes)
    local ok, problem = posix.write(fd, last, #last, bytes)
    if ok then ok, problem = posix.truncate(fd, bytes + #last) end
    if ok and not damaged then ok, problem = posix.sync(fd) end
    if ok then ok, problem = posix.rename(path .. ".open", path .. ".sealed") end
    if ok then ok, problem = posix.sync_folder(spool) end
    posix.close(fd)
    if not ok then return nil, path .. ": " .. problem end
    return true
end

return M
