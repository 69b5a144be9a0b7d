-- Managed by primetime (roles/collector); edits are lost
-- Answers with a sentence. Called by every handler.

local config = require "collector.config"

local M = {}

function M.text(status, sentence)
    ngx.status = status
    ngx.header["Content-Type"] = "text/plain"
    ngx.header["Content-Length"] = #sentence + 1
    ngx.print(sentence, "\n")
end

-- For now: the same request, sent again, is safe and welcome.
function M.unavailable(sentence)
    ngx.header["Retry-After"] = config.retry_after_s
    return M.text(503, sentence)
end

function M.wrong_method(allowed)
    ngx.header["Allow"] = allowed
    return M.text(405, "use " .. allowed)
end

return M
