-- bench accept --ladder: groups gather and are answered, without a thread: no record is made.

local M = require "collector.disk_whole"
local call = M.call

function M.call(module, name, ...)
    if name ~= "append" then return call(module, name, ...) end
    local _, offset, _, _, bytes = ...
    return offset + bytes
end

return M
