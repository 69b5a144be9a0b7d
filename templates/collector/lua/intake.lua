-- Managed by primetime (roles/collector); edits are lost
-- POST /events: a batch is checked, put into the group that gathers, and answered when that group is on disk.

local answer = require "collector.answer"
local committer = require "collector.committer"
local cors = require "collector.cors"
local counters = require "collector.counters"
local groups = require "collector.group"
local reading = require "collector.reading"
local scanner = require "collector.scanner"

local M = {}

-- Gives the batch to the group: that group, or nil, the status and the sentence to refuse it with.
function M.accept(body)
    local count, problem = scanner.scan(body)
    if not count then return nil, 400, problem end
    local refusal = committer.refusal()
    if refusal then return nil, 503, refusal end
    local group = groups.add(body, count)
    if not group then return nil, 503, "the disk is slow: too much is waiting for it" end
    committer.wake()
    return group
end

local function refuse(status, sentence)
    if status == 503 and committer.is_draining() then return ngx.exec("@draining") end
    if status == 503 then return answer.unavailable(sentence) end
    return answer.text(status, sentence)
end

-- Waits for the group that accept() gave, and answers; or refuses with what it said. Counted for `route`.
function M.answer(route, group, status, sentence)
    if not group then
        refuse(status, sentence)
    elseif groups.wait(group) then
        counters.answered(route, 204)
        return ngx.exit(204) -- does not come back
    else
        status = 503
        answer.unavailable(group.problem or "the disk is slow: send the same bytes again")
    end
    counters.answered(route, status)
end

-- A request with another method than `allowed`.
function M.wrong_method(route, allowed)
    if not cors.preflight(allowed) then answer.wrong_method(allowed) end
    counters.answered(route, ngx.status)
end

-- What @draining answers.
function M.draining()
    return answer.unavailable("the collector is draining: send the same bytes again, on a new connection")
end

-- In a function of its own, so that the body can be collected while its request waits.
local function read()
    local place = reading.begin()
    ngx.req.read_body()
    reading.finish(place)
    local body = ngx.req.get_body_data()
    if body then return M.accept(body) end
    if ngx.req.get_body_file() then return nil, 413, "the body came in too many small chunks" end
    return nil, 400, "the body is empty: send a JSON array of 1 to 100 events"
end

function M.post()
    if ngx.req.get_method() ~= "POST" then return M.wrong_method("events", "POST") end
    return M.answer("events", read())
end

return M
