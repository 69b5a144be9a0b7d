-- Managed by primetime (roles/collector); edits are lost
-- JSON values, skipped byte by byte: what is inside a value is checked (RFC 8259, and UTF-8), never decoded.
-- Called by scanner.lua. Positions are 0-based; every function returns the position after what it skipped, or -1
-- after fail(). The text ends with a NUL (Lua strings do), which is valid nowhere: no loop needs a bounds check.

local ffi = require "ffi"
local bit = require "bit"

local band = bit.band

local QUOTE, COMMA, COLON, OBJECT, ARRAY = 0x22, 0x2C, 0x3A, 0x7B, 0x5B
local MINUS, PLUS, DOT, ZERO, NINE = 0x2D, 0x2B, 0x2E, 0x30, 0x39
local MAX_DEPTH = 32 -- objects and arrays in each other, the event included

-- What a byte means inside a string: 0 is plain, so that the inner loop has one comparison.
local PLAIN, END, BACKSLASH, CONTROL, TWO, THREE, FOUR, STRAY = 0, 1, 2, 3, 4, 5, 6, 7
local class = ffi.new("uint8_t[256]")
for byte = 0x00, 0x1F do class[byte] = CONTROL end
for byte = 0x80, 0xFF do class[byte] = STRAY end
for byte = 0xC2, 0xDF do class[byte] = TWO end
for byte = 0xE0, 0xEF do class[byte] = THREE end
for byte = 0xF0, 0xF4 do class[byte] = FOUR end
class[QUOTE], class[0x5C] = END, BACKSLASH

-- After a backslash: 1 stands for itself, 5 is u and four hex digits.
local escape = ffi.new("uint8_t[256]")
for byte in ('"\\/bfnrt'):gmatch(".") do escape[byte:byte()] = 1 end
escape[0x75] = 5
local hex = ffi.new("uint8_t[256]")
for byte in ("0123456789abcdefABCDEF"):gmatch(".") do hex[byte:byte()] = 1 end

local digit = ffi.new("uint8_t[256]")
ffi.fill(digit + ZERO, 10, 1)

local open = ffi.new("uint8_t[?]", MAX_DEPTH + 1) -- the opening bytes of the containers around a value

local M = { problem = "", at = 0, breaks = false }

local function fail(i, problem)
    M.problem, M.at = problem, i
    return -1
end

-- Spaces and line breaks from i on. CR, LF and TAB raise the `breaks` flag: the copy of the event must replace them.
local function space(p, i)
    local byte = p[i]
    while byte <= 0x20 do
        if byte ~= 0x20 then
            if byte ~= 0x0A and byte ~= 0x0D and byte ~= 0x09 then return i end
            M.breaks = true
        end
        i = i + 1
        byte = p[i]
    end
    return i
end

local function continuation(p, i)
    return band(p[i], 0xC0) == 0x80
end

-- One character of two to four bytes: well-formed UTF-8 only (Unicode 15, table 3-7).
local function character(p, i, kind)
    local first, second = p[i], p[i + 1]
    if kind == TWO and continuation(p, i + 1) then return i + 2 end
    if kind == THREE and continuation(p, i + 1) and continuation(p, i + 2)
        and not (first == 0xE0 and second < 0xA0) and not (first == 0xED and second > 0x9F) then
        return i + 3
    end
    if kind == FOUR and continuation(p, i + 1) and continuation(p, i + 2) and continuation(p, i + 3)
        and not (first == 0xF0 and second < 0x90) and not (first == 0xF4 and second > 0x8F) then
        return i + 4
    end
    return fail(i, "has invalid UTF-8")
end

-- From inside a string (i is after the opening quote) to after its closing quote.
local function string_end(p, i)
    while true do
        local kind = class[p[i]]
        while kind == PLAIN do
            i = i + 1
            kind = class[p[i]]
        end
        if kind == END then return i + 1 end
        if kind == BACKSLASH then
            local length = escape[p[i + 1]]
            if length == 0 then return fail(i, "has an unknown escape") end
            for digit = i + 2, i + length do
                if hex[p[digit]] == 0 then return fail(i, "has an unknown escape") end
            end
            i = i + 1 + length
        elseif kind == CONTROL then
            if p[i] == 0 then return fail(i, "ends or has a NUL within a string") end
            return fail(i, "has a raw control character in a string")
        else
            i = character(p, i, kind)
            if i < 0 then return -1 end
        end
    end
end

-- The same for an event's own key. A backslash is refused: no parser may read another key than was compared here.
local function key_end(p, i)
    local kind = class[p[i]]
    while kind == PLAIN do
        i = i + 1
        kind = class[p[i]]
    end
    if kind == END then return i + 1 end
    local after = string_end(p, i)
    for at = i, after - 2 do
        if p[at] == 0x5C then return fail(at, "has a key with a backslash") end
    end
    return after
end

local function digits(p, i)
    if digit[p[i]] == 0 then return fail(i, "has a malformed number") end
    repeat i = i + 1 until digit[p[i]] == 0
    return i
end

local function number(p, i)
    if p[i] == MINUS then i = i + 1 end
    if p[i] == ZERO then
        i = i + 1
        if p[i] >= ZERO and p[i] <= NINE then return fail(i, "has a number with a leading zero") end
    else
        i = digits(p, i)
    end
    if i >= 0 and p[i] == DOT then i = digits(p, i + 1) end
    if i >= 0 and (p[i] == 0x65 or p[i] == 0x45) then
        i = i + 1
        if p[i] == PLUS or p[i] == MINUS then i = i + 1 end
        i = digits(p, i)
    end
    return i
end

local function word(p, i, text)
    for offset = 1, #text do
        if p[i + offset - 1] ~= text:byte(offset) then return fail(i, "is not JSON") end
    end
    return i + #text
end

local function scalar(p, i)
    local byte = p[i]
    if byte == QUOTE then return string_end(p, i + 1) end
    if byte == MINUS or (byte >= ZERO and byte <= NINE) then return number(p, i) end
    if byte == 0x74 then return word(p, i, "true") end
    if byte == 0x66 then return word(p, i, "false") end
    if byte == 0x6E then return word(p, i, "null") end
    return fail(i, "is not JSON")
end

-- After a key: its colon, and the spaces around it.
local function colon(p, i)
    i = space(p, i)
    if p[i] ~= COLON then return fail(i, "is not JSON: a key needs a colon") end
    return space(p, i + 1)
end

-- An object or array, without recursion: traces of recursive functions are not compiled.
local function container(p, i)
    local depth = 1 -- the event around it
    ::opening::
    depth = depth + 1
    if depth > MAX_DEPTH then return fail(i, "is nested deeper than 32") end
    open[depth] = p[i]
    i = space(p, i + 1)
    if p[i] == open[depth] + 2 then goto closing end -- in ASCII, } is { + 2 and ] is [ + 2
    ::member::
    if open[depth] == OBJECT then
        if p[i] ~= QUOTE then return fail(i, "is not JSON: a key is a string") end
        i = string_end(p, i + 1)
        if i >= 0 then i = colon(p, i) end
        if i < 0 then return -1 end
    end
    if p[i] == OBJECT or p[i] == ARRAY then goto opening end
    i = scalar(p, i)
    if i < 0 then return -1 end
    ::following::
    i = space(p, i)
    if p[i] == COMMA then
        i = space(p, i + 1)
        goto member
    end
    if p[i] ~= open[depth] + 2 then return fail(i, "is not JSON: an object or array is not closed") end
    ::closing::
    i = i + 1
    depth = depth - 1
    if depth > 1 then goto following end
    return i
end

local function value(p, i)
    if p[i] == OBJECT or p[i] == ARRAY then return container(p, i) end
    return scalar(p, i)
end

M.fail, M.space, M.colon, M.key_end, M.string_end, M.value = fail, space, colon, key_end, string_end, value
return M
