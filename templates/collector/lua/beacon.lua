-- Managed by primetime (roles/collector); edits are lost
-- GET /e: one event in the query string, for callers that cannot post. It becomes JSON with its keys in one order, so
-- that a beacon sent again has the same bytes, and then goes the way of every batch.

local intake = require "collector.intake"

local KEYS = { "id", "show", "pos_ms", "user", "type", "at" }
local NUMBERS = { pos_ms = true, at = true }
local KNOWN = {}
for _, key in ipairs(KEYS) do KNOWN[key] = true end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\" }
for byte = 0, 31 do escapes[string.char(byte)] = ("\\u%04x"):format(byte) end

local M = {}

local function byte_of(digits)
    return string.char(tonumber(digits, 16))
end

-- Percent-decoding as forms do it: a plus is a space. Nil when a percent sign has no two hex digits.
local function decode(text)
    if text:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
    return (text:gsub("+", " "):gsub("%%(%x%x)", byte_of))
end

local function parse(query)
    local values = {}
    for pair in query:gmatch("[^&]+") do
        local key, raw = pair:match("^([^=]*)=(.*)$")
        if not KNOWN[key] then return nil, "a beacon has only " .. table.concat(KEYS, ", ") .. ", each with a value" end
        if values[key] then return nil, "the beacon has " .. key .. " twice" end
        values[key] = decode(raw)
        if not values[key] then return nil, key .. " has a percent sign without two hex digits" end
        if NUMBERS[key] and not values[key]:find("^%d+$") then return nil, key .. " is not a whole number" end
    end
    return values
end

-- The values as one JSON object; numbers have been checked to be digits only, strings are escaped here.
local function encode(values)
    local members = {}
    for _, key in ipairs(KEYS) do
        local value = values[key]
        if value and not NUMBERS[key] then value = '"' .. value:gsub('[%z\1-\31"\\]', escapes) .. '"' end
        if value then members[#members + 1] = '"' .. key .. '":' .. value end
    end
    return "{" .. table.concat(members, ",") .. "}"
end

local function read()
    local values, problem = parse(ngx.var.args or "")
    if not values then return nil, 400, problem end
    return intake.accept("[" .. encode(values) .. "]")
end

function M.get()
    ngx.header["Cache-Control"] = "no-store"
    if ngx.req.get_method() ~= "GET" then return intake.wrong_method("beacon", "GET") end
    return intake.answer("beacon", read())
end

return M
