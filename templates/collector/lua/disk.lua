-- Managed by primetime (roles/collector); edits are lost
-- The one way from the event loop to the disk: a function of segment.lua, slot.lua or survey.lua, run in a thread pool.
-- Called by the loops of committer.lua, keeper.lua and lookout.lua only; requests never wait for a thread, but for the
-- first of these.

local M = {}

local function run(pool, module, name, ...)
    local ran, first, second, third, fourth = ngx.run_worker_thread(pool, "collector." .. module, name, ...)
    if not ran then return nil, module .. "." .. name .. ": " .. tostring(first) end
    return first, second, third, fourth
end

-- The function's results, or nil and a sentence, also when it could not be run at all.
function M.call(module, name, ...)
    return run("spool", module, name, ...)
end

-- The same in a thread that nobody else waits for.
function M.look(module, name, ...)
    return run("lookout", module, name, ...)
end

return M
