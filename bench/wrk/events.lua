-- Fresh events for wrk, each with an id of its own: wrk ... -s events.lua URL -- SHAPE RUN BATCH SHOW (see primetime/bench/wrk.py).
-- A request is one block of memory in which only the ids' digits change, so that making it costs next to nothing.
local ffi = require "ffi"

local DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
local EVENT = '{"id":"%s","show":"%s","pos_ms":10500,"user":"u1","type":"answer","data":{"poll":"q1","choice":"b"}}'
local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

local template, length, places, counter = nil, 0, {}, 0

local function body(shape, event, batch)
    local one = event
    if shape == "flume" then one = '{"headers":{},"body":"' .. event:gsub('"', '\\"') .. '"}' end
    return "[" .. string.rep(one, batch, ",") .. "]"
end

function init(args)
    local shape, run, batch, show = args[1], args[2], tonumber(args[3]), args[4]
    local id = run .. DIGITS:sub(number + 1, number + 1) .. "0000000"
    local request
    if shape == "beacon" or shape == "beacon-close" then
        wrk.headers["Connection"] = shape == "beacon-close" and "close" or nil
        request = wrk.format("GET", "/e?id=" .. id .. "&show=" .. show .. "&pos_ms=10500&user=u1&type=answer")
    else
        wrk.headers["Connection"] = shape == "close" and "close" or nil
        request = wrk.format("POST", "/events", nil, body(shape, EVENT:format(id, show), batch))
    end
    length = #request
    template = ffi.new("char[?]", length)
    ffi.copy(template, request, length)
    local from = 1
    while true do
        local start, stop = request:find(id, from, true)
        if not start then break end
        places[#places + 1] = stop - 7 -- of the first of the seven digits that change, from 0
        from = stop + 1
    end
end

function request()
    for i = 1, #places do
        local at, rest = places[i] + 6, counter
        for _ = 1, 7 do
            template[at] = DIGITS:byte(rest % 32 + 1)
            rest = (rest - rest % 32) / 32
            at = at - 1
        end
        counter = counter + 1
    end
    return ffi.string(template, length)
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"answers":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
