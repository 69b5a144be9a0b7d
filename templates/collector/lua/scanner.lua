-- Managed by primetime (roles/collector); edits are lost
-- A batch of events, checked and sliced: the collector's half of the contract "Event" (primetime/event.py is the
-- other). Called by intake.lua for every request, so it makes no garbage: where events begin and end is left in two
-- arrays, valid until the next scan.

local ffi = require "ffi"
local bit = require "bit"
local config = require "collector.config"
local json = require "collector.json"

local C, bor = ffi.C, bit.bor
local fail, space, colon = json.fail, json.space, json.colon
local key_end, string_end, value = json.key_end, json.string_end, json.value

ffi.cdef "int memcmp(const void *a, const void *b, size_t n);"

local MAX_EVENTS, MAX_POS_MS, ULID_LENGTH = 100, 86400000, 26
local MAX_USER, MAX_TYPE = 256, 64 -- bytes between the quotes; Redis keeps each (primetime/shipper/selector.py)
local QUOTE, COMMA, OBJECT, ARRAY, ZERO, NINE = 0x22, 0x2C, 0x7B, 0x5B, 0x30, 0x39
local ID, SHOW, POS = 1, 2, 4
local NAMES = { [ID] = "id", [SHOW] = "show", [POS] = "pos_ms" }

local bytes = ffi.typeof("const uint8_t *")
local not_base32 = ffi.new("uint8_t[256]")
ffi.fill(not_base32, 256, 1)
for letter in ("0123456789ABCDEFGHJKMNPQRSTVWXYZ"):gmatch(".") do not_base32[letter:byte()] = 0 end

local declared = {}
for _, show in ipairs(config.shows) do declared[show] = true end
local last_show, last_length = config.shows[1], #config.shows[1] -- most requests are about one show

local M = { starts = ffi.new("int32_t[?]", MAX_EVENTS), ends = ffi.new("int32_t[?]", MAX_EVENTS), breaks = false }

-- 26 reads without a branch: half the time of a loop that can stop early.
local function ulid(p, i, length)
    if p[i] ~= QUOTE or i + ULID_LENGTH + 1 > length or p[i + ULID_LENGTH + 1] ~= QUOTE then
        return fail(i, "has an id that is not a ULID")
    end
    local q = p + i + 1
    local wrong = bor(
        not_base32[q[0]], not_base32[q[1]], not_base32[q[2]], not_base32[q[3]], not_base32[q[4]], not_base32[q[5]],
        not_base32[q[6]], not_base32[q[7]], not_base32[q[8]], not_base32[q[9]], not_base32[q[10]], not_base32[q[11]],
        not_base32[q[12]], not_base32[q[13]], not_base32[q[14]], not_base32[q[15]], not_base32[q[16]],
        not_base32[q[17]], not_base32[q[18]], not_base32[q[19]], not_base32[q[20]], not_base32[q[21]],
        not_base32[q[22]], not_base32[q[23]], not_base32[q[24]], not_base32[q[25]])
    if wrong ~= 0 or q[0] > 0x37 then return fail(i, "has an id that is not a ULID") end -- above 7 overflows 128 bits
    return i + ULID_LENGTH + 2
end

local function declared_show(p, i, length)
    if p[i] ~= QUOTE then return fail(i, "has a show that is not a string") end
    local last = i + 1 + last_length
    if last < length and p[last] == QUOTE and C.memcmp(p + i + 1, last_show, last_length) == 0 then return last + 1 end
    local after = string_end(p, i + 1)
    if after < 0 then return -1 end
    local show = ffi.string(p + i + 1, after - i - 2)
    if not declared[show] then return fail(i, "has a show that is not declared") end
    last_show, last_length = show, #show
    return after
end

local function position(p, i)
    local start, pos_ms = i, 0
    while p[i] >= ZERO and p[i] <= NINE and i - start < 9 do
        pos_ms = pos_ms * 10 + p[i] - ZERO
        i = i + 1
    end
    local after = p[i] -- a dot, say, and this is another number than the one that was read
    if i == start or pos_ms > MAX_POS_MS or (p[start] == ZERO and i - start > 1)
        or (after ~= COMMA and after ~= OBJECT + 2 and after > 0x20) then
        return fail(start, "has a pos_ms that is not a whole number from 0 to 86400000")
    end
    return i
end

local function text(p, i, most, not_text, too_long)
    if p[i] ~= QUOTE then return fail(i, not_text) end
    local after = string_end(p, i + 1)
    if after - i - 2 > most then return fail(i, too_long) end
    return after
end

-- One event: i at its {; returns the position after its }, or -1.
local function event(p, i, length)
    local seen = 0
    i = space(p, i + 1)
    while p[i] == QUOTE do
        local first, before = p[i + 1], seen
        if first == 0x69 and p[i + 2] == 0x64 and p[i + 3] == QUOTE then -- id
            seen = bor(seen, ID)
            i = colon(p, i + 4)
            if i >= 0 then i = ulid(p, i, length) end
        elseif first == 0x73 and p[i + 2] == 0x68 and p[i + 3] == 0x6F and p[i + 4] == 0x77 and p[i + 5] == QUOTE then
            seen = bor(seen, SHOW)
            i = colon(p, i + 6)
            if i >= 0 then i = declared_show(p, i, length) end
        elseif first == 0x70 and p[i + 2] == 0x6F and p[i + 3] == 0x73 and p[i + 4] == 0x5F and p[i + 5] == 0x6D
            and p[i + 6] == 0x73 and p[i + 7] == QUOTE then -- pos_ms
            seen = bor(seen, POS)
            i = colon(p, i + 8)
            if i >= 0 then i = position(p, i) end
        elseif first == 0x75 and p[i + 2] == 0x73 and p[i + 3] == 0x65 and p[i + 4] == 0x72 and p[i + 5] == QUOTE then
            before = -1
            i = colon(p, i + 6)
            if i >= 0 then i = text(p, i, MAX_USER, "has a user that is not a string", "has a user longer than 256 bytes") end
        elseif first == 0x74 and p[i + 2] == 0x79 and p[i + 3] == 0x70 and p[i + 4] == 0x65 and p[i + 5] == QUOTE then
            before = -1
            i = colon(p, i + 6)
            if i >= 0 then i = text(p, i, MAX_TYPE, "has a type that is not a string", "has a type longer than 64 bytes") end
        else
            before = -1
            i = key_end(p, i + 1)
            if i >= 0 then i = colon(p, i) end
            if i >= 0 then i = value(p, i) end
        end
        if i < 0 then return -1 end
        if seen == before then return fail(i, "has id, show or pos_ms twice") end
        i = space(p, i)
        if p[i] ~= COMMA then break end
        i = space(p, i + 1)
        if p[i] ~= QUOTE then return fail(i, "is not JSON: a key is a string") end
    end
    if p[i] ~= OBJECT + 2 then return fail(i, "is not JSON: its object is not closed") end
    for bit_of = 0, 2 do
        local field = bit.lshift(1, bit_of)
        if bit.band(seen, field) == 0 then return fail(i, "has no " .. NAMES[field]) end
    end
    return i + 1
end

-- The number of events in `body`; or nil and a sentence that names the event's index and what is wrong.
function M.scan(body)
    local p, length, count = ffi.cast(bytes, body), #body, 0
    json.breaks = false
    local i = space(p, 0)
    if p[i] ~= ARRAY then return nil, "the body is not a JSON array of events" end
    repeat
        i = space(p, i + 1)
        if p[i] ~= OBJECT then
            if count == 0 and p[i] == ARRAY + 2 then return nil, "the array is empty: send 1 to 100 events" end
            return nil, "event " .. count .. " is not a JSON object (byte " .. i .. " of the body)"
        end
        if count == MAX_EVENTS then return nil, "the array has more than 100 events" end
        local after = event(p, i, length)
        if after < 0 then
            return nil, "event " .. count .. " " .. json.problem .. " (byte " .. json.at .. " of the body)"
        end
        M.starts[count], M.ends[count] = i, after
        count = count + 1
        i = space(p, after)
    until p[i] ~= COMMA
    if p[i] ~= ARRAY + 2 then return nil, "event " .. count - 1 .. " is not followed by a comma or the array's end" end
    i = space(p, i + 1)
    if i ~= length then return nil, "something follows the array (byte " .. i .. " of the body)" end
    M.breaks = json.breaks
    return count
end

return M
