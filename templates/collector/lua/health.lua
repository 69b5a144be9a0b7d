-- Managed by primetime (roles/collector); edits are lost
-- GET /live says that the process answers, whatever its disk does; GET /ready that a batch would be taken now.

local answer = require "collector.answer"
local committer = require "collector.committer"

local M = {}

local function is_read()
    local method = ngx.req.get_method()
    return method == "GET" or method == "HEAD"
end

function M.live()
    if not is_read() then return answer.wrong_method("GET, HEAD") end
    return answer.text(200, "live")
end

function M.ready()
    if not is_read() then return answer.wrong_method("GET, HEAD") end
    local problem = committer.not_ready()
    if problem then return answer.unavailable(problem) end
    return answer.text(200, "ready")
end

return M
