-- Managed by primetime (roles/collector); edits are lost
-- The one way from the event loop to the disk: a function of segment.lua or slot.lua, run in the thread pool `spool`.
-- Called by the loops of committer.lua and keeper.lua only; requests never wait for a thread, but for these two.

local M = {}

-- The function's results, or nil and a sentence, also when it could not be run at all.
function M.call(module, name, ...)
    local ran, first, second, third, fourth = ngx.run_worker_thread("spool", "collector." .. module, name, ...)
    if not ran then return nil, module .. "." .. name .. ": " .. tostring(first) end
    return first, second, third, fourth
end

return M
