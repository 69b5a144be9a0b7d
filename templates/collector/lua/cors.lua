-- Managed by primetime (roles/collector); edits are lost
-- Web pages of declared origins (collector_origins) may send events and read the answers: the Fetch standard's CORS.
-- headers() is called for every answer by nginx.conf, preflight() by the handlers; without origins, by nobody.

local answer = require "collector.answer"
local config = require "collector.config"

local KEEP_S = 7200 -- how long a browser need not ask again; Chromium takes no more

local declared = {}
for _, origin in ipairs(config.origins) do declared[origin] = origin end

local M = {}

local function allowed()
    local origin = ngx.var.http_origin
    return origin and (declared["*"] or declared[origin])
end

-- Vary in any case: a cache must not give one origin's answer to another.
function M.headers()
    ngx.header["Vary"] = "Origin"
    local origin = allowed()
    if not origin then return end
    ngx.header["Access-Control-Allow-Origin"] = origin
    ngx.header["Access-Control-Expose-Headers"] = "Retry-After"
end

-- Answers an OPTIONS request that asks whether `method` may be used; nil when this is none.
function M.preflight(method)
    if not config.origins[1] or ngx.req.get_method() ~= "OPTIONS" or not ngx.var.http_origin then return nil end
    ngx.header["Cache-Control"] = "no-store"
    if not allowed() then
        answer.text(403, "this origin is not declared: add it to collector_origins")
        return true
    end
    ngx.header["Access-Control-Allow-Methods"] = method
    ngx.header["Access-Control-Allow-Headers"] = "Content-Type"
    ngx.header["Access-Control-Max-Age"] = KEEP_S
    ngx.status = 204
    ngx.send_headers()
    return true
end

return M
