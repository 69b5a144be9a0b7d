-- bench accept --ladder: a thread takes each group, and writes nothing.

local M = require "collector.segment_whole"

function M.append(_, offset, _, _, bytes)
    return offset + bytes
end

return M
