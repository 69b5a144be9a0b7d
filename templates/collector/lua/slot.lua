-- Managed by primetime (roles/collector); edits are lost
-- A worker's place in the spool: the spool's ULID, its two digits WW, and the last number that WW has used.
-- Runs in a thread of the pool, called by keeper.lua; keeps no state, since each call may meet another Lua VM.

local posix = require "collector.posix"

local SLOTS = 100
local ULID = "^[0-7]" .. ("[0-9A-HJKMNP-TV-Z]"):rep(25) .. "\n$"
local LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

local M = {}

local function new_ulid(now_ms)
    local letters = {}
    for place = 10, 1, -1 do
        local letter = now_ms % 32 + 1
        letters[place], now_ms = LETTERS:sub(letter, letter), (now_ms - now_ms % 32) / 32
    end
    local random = posix.random(16)
    for place = 0, 15 do
        local letter = random[place] % 32 + 1
        letters[11 + place] = LETTERS:sub(letter, letter)
    end
    return table.concat(letters)
end

-- Writes `text` to the file `draft`; publishing it under its own name is then one step, whole or not at all.
local function write_draft(draft, text)
    local fd, problem = posix.open(draft, posix.RDWR + posix.CREAT + posix.TRUNC)
    if not fd then return nil, problem end
    local ok, why = posix.write(fd, text, #text, 0)
    if ok then ok, why = posix.sync(fd) end
    posix.close(fd)
    return ok, why
end

-- Made once, by whichever worker is first: a link never replaces what is there.
local function make_ulid(spool, path, now_ms)
    local draft = path .. "." .. posix.pid()
    local ok, problem = write_draft(draft, new_ulid(now_ms) .. "\n")
    if not ok then return nil, problem end
    local made, why, number = posix.link(draft, path)
    posix.unlink(draft)
    if not made and number ~= posix.EEXIST then return nil, why end
    return posix.sync_folder(spool)
end

local function spool_ulid(spool, now_ms)
    local path = spool .. "/spool.ulid"
    local text, problem, number = posix.read(path)
    if not text and number == posix.ENOENT then
        local ok, why = make_ulid(spool, path, now_ms)
        if not ok then return nil, why end
        text, problem = posix.read(path)
    end
    if not text then return nil, problem end
    if not text:find(ULID) then return nil, path .. " does not hold a ULID and a newline: restore it from a backup" end
    return text:sub(1, -2)
end

local function prefix(spool, worker)
    return ("%s/w%02d"):format(spool, worker)
end

-- In two steps, so that a full disk shows in the first one, while nobody waits.
function M.draft_number(spool, worker, number)
    return write_draft(prefix(spool, worker) .. ".number.new", number .. "\n")
end

function M.publish_number(spool, worker)
    local path = prefix(spool, worker) .. ".number"
    local ok, problem = posix.rename(path .. ".new", path)
    if not ok then return nil, problem end
    return posix.sync_folder(spool)
end

-- The last number used by `worker`. A crash between writing a number and showing its segment would leave a gap, which
-- is the sign of a loss; segment.prepare therefore writes the number it is meant for into the time of `.next`: when it
-- is the last number used, that segment has never appeared, and the number is given back.
local function last_number(spool, ulid, worker)
    local path = prefix(spool, worker) .. ".number"
    local text, problem, missing = posix.read(path)
    if not text and missing ~= posix.ENOENT then return nil, problem end
    local number = tonumber((text or "0\n"):match("^(%d+)\n$"))
    if not number then return nil, path .. " does not hold a number and a newline: write the last number used" end
    local _, meant_for = posix.stat(prefix(spool, worker) .. ".next")
    if number > 0 and meant_for == number then
        number = number - 1
        local ok, why = M.draft_number(spool, worker, number)
        if ok then ok, why = M.publish_number(spool, worker) end
        if not ok then return nil, why end
    end
    local names, why = posix.names(spool)
    if not names then return nil, why end
    local pattern = ("^%s%%-w%02d%%-(%%d+)%%."):format(ulid, worker)
    for _, name in ipairs(names) do -- a lost number file must never lead to overwriting a segment
        number = math.max(number, tonumber(name:match(pattern)) or 0)
    end
    return number
end

-- Takes the first free WW, by locking that byte of spool.ulid: workers of the old configuration keep theirs while they
-- finish, and a killed worker's is free again. Returns the file that holds the lock, WW, the last number, the ULID.
function M.claim(spool, now_ms)
    local ulid, problem = spool_ulid(spool, now_ms)
    if not ulid then return nil, problem end
    local lock, why = posix.open(spool .. "/spool.ulid", posix.RDWR)
    if not lock then return nil, why end
    for worker = 0, SLOTS - 1 do
        if posix.lock_byte(lock, worker) then
            local number, reason = last_number(spool, ulid, worker)
            if number then return lock, worker, number, ulid end
            posix.close(lock)
            return nil, reason
        end
    end
    posix.close(lock)
    return nil, "all 100 places in " .. spool .. " are taken"
end

-- Gives the place back, with the space reserved for a segment that will not come. `next` may be nil.
function M.release(spool, worker, lock, next)
    if next then
        posix.unlink(prefix(spool, worker) .. ".next")
        posix.unlink(prefix(spool, worker) .. ".number.new")
        posix.close(next)
    end
    return posix.close(lock)
end

-- Gives the place back as a crash would, `.next` included: the next claim finds out what has become of its number.
function M.abandon(lock, next)
    posix.close(next)
    return posix.close(lock)
end

return M
